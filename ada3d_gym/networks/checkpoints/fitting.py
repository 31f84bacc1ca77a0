"""Whether stored tensors are those of a network: the same names and shapes, and numbers that a trained network has."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ada3d_gym.errors import Ada3DError


class CheckpointError(Ada3DError, RuntimeError):
    """Weights that cannot be read or do not fit; the message names the file and the first key that is wrong."""


def fitting(what: str, state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state with exactly the expected keys and shapes, and with sound values, in the expected types.

    Raises:
        CheckpointError: naming the first key that is wrong; `what` begins the message.
    """
    for key in sorted(expected.keys() | state.keys()):
        if key not in state:
            raise CheckpointError(f"{what}: {key} is missing, so these are the weights of another network")
        if key not in expected:
            raise CheckpointError(f"{what}: {key} is not expected, so these are the weights of another network")
        if state[key].shape != expected[key].shape:
            got, wanted = tuple(state[key].shape), tuple(expected[key].shape)
            raise CheckpointError(f"{what}: {key} has shape {got}, expected {wanted}")
    return {key: sound(what, key, state[key], expected[key]) for key in sorted(expected)}


def sound(what: str, key: str, value: Tensor, wanted: Tensor) -> Tensor:
    """A stored tensor in the type that is wanted.

    Raises:
        CheckpointError: for numbers that are not finite, variances below zero, and tensors without plain numbers, such
            as quantised ones; `what` begins the message.
    """
    plain = value.layout == torch.strided and not value.is_quantized and not value.is_meta
    if not plain or (wanted.is_floating_point() and not value.is_floating_point()):
        kind = str(value.dtype if plain or value.is_quantized else value.device if value.is_meta else value.layout)
        raise CheckpointError(
            f"{what}: {key} is of {kind.removeprefix('torch.')}, expected {str(wanted.dtype).removeprefix('torch.')}; "
            "save the network's weights as trained, not quantised or packed"
        )
    converted = value.to(wanted.dtype)
    if wrong := not_finite(converted):
        raise CheckpointError(
            f"{what}: {key} is not finite ({wrong}): the training that wrote it has diverged; use an earlier checkpoint"
        )
    if key.endswith(("running_var", "_riv")) and bool((converted < 0).any()):
        raise CheckpointError(f"{what}: {key} is a variance and has values below zero; use another checkpoint")
    return converted


def not_finite(values: Tensor) -> str:
    """How many numbers of a plain tensor are NaN or infinite; "" for none."""
    count = values.numel() - int(torch.isfinite(values).sum())
    return f"NaN or infinity in {count} of {values.numel()} numbers" if count else ""
