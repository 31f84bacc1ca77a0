"""Weights on disk, as safetensors: nothing in a file is ever run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ada3d_gym.errors import Ada3DError
from ada3d_gym.files import replacing

SHIPPED = Path(__file__).parents[1] / "weights"


class CheckpointError(Ada3DError, RuntimeError):
    """Weights that cannot be read or do not fit; the message names the file and the first key that is wrong."""


def save_weights(module: nn.Module, path: Path, metadata: dict[str, str] | None = None) -> None:
    """Writes a module's state to a safetensors file, whole or not at all.

    Raises:
        OutputError: where it cannot be written.
    """
    with replacing(path) as part:
        save_file({key: value.contiguous() for key, value in module.state_dict().items()}, part, metadata)


def load_weights(module: nn.Module, path: Path | str, *, centre_taps: bool = False) -> None:
    """Fills a module from a safetensors file with exactly its keys and shapes.

    Args:
        module: of any kind.
        path: of the file.
        centre_taps: take the centre taps of 3D kernels that are longer over time than the module's.

    Raises:
        CheckpointError: for a missing or damaged file, for weights of another network and for ones that are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weights file; give the path of a .safetensors file")
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from error
    if centre_taps:
        expected = module.state_dict()
        state = {key: _centre(value, expected[key]) if key in expected else value for key, value in state.items()}
    fill(module, state, path)


def fill(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Fills a module with the tensors of a file, which must be exactly its own by name and shape, and finite.

    Raises:
        CheckpointError: naming the file and the first key that is wrong; the module then stays as it was.
    """
    expected = module.state_dict()
    for key in sorted(expected.keys() | state.keys()):
        if key not in state:
            raise CheckpointError(f"{path}: {key} is missing, so these are the weights of another network")
        if key not in expected:
            raise CheckpointError(f"{path}: {key} is not expected, so these are the weights of another network")
        if state[key].shape != expected[key].shape:
            got, wanted = tuple(state[key].shape), tuple(expected[key].shape)
            raise CheckpointError(f"{path}: {key} has shape {got}, expected {wanted}")
        refuse_broken(path, key, state[key])
    module.load_state_dict(state)


def refuse_broken(path: Path, key: str, value: Tensor) -> None:
    """Raises a CheckpointError for a tensor with NaN or infinity in it, or a variance below zero."""
    remedy = "as after a training that diverged: take a checkpoint from before that"
    if value.is_floating_point() and not torch.isfinite(value).all():
        raise CheckpointError(f"{path}: {key} is not finite (it holds NaN or infinity), {remedy}")
    if key.endswith("running_var") and (value < 0).any():
        raise CheckpointError(f"{path}: {key} holds variances below zero, {remedy}")


def _centre(kernel: Tensor, wanted: Tensor) -> Tensor:
    if kernel.ndim != 5 or wanted.ndim != 5 or kernel.shape[2] <= wanted.shape[2]:
        return kernel
    return kernel.narrow(2, (kernel.shape[2] - wanted.shape[2]) // 2, wanted.shape[2])


def read_metadata(path: Path) -> dict[str, str]:
    """What `save_weights` was given beside the weights."""
    with safe_open(path, "pt") as file:
        return dict(file.metadata() or {})
