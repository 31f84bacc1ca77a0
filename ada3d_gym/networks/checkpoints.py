"""Weights on disk, as safetensors: nothing in a file is ever run."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ada3d_gym.errors import Ada3DError

SHIPPED = Path(__file__).parents[1] / "weights"


class CheckpointError(Ada3DError, RuntimeError):
    """Weights that cannot be read or do not fit; the message names the file and the first key that is wrong."""


def save_weights(module: nn.Module, path: Path, metadata: dict[str, str] | None = None) -> None:
    """Writes a module's state to a safetensors file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(path.suffix + ".part")
    save_file({key: value.contiguous() for key, value in module.state_dict().items()}, part, metadata)
    part.replace(path)


def load_weights(module: nn.Module, path: Path | str, *, centre_taps: bool = False) -> None:
    """Fills a module from a safetensors file with exactly its keys and shapes.

    Args:
        module: of any kind.
        path: of the file.
        centre_taps: take the centre taps of 3D kernels that are longer over time than the module's.

    Raises:
        CheckpointError: for a missing or damaged file, and for weights of another network.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weights file; give the path of a .safetensors file")
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from error
    expected = module.state_dict()
    if centre_taps:
        state = {key: _centre(value, expected[key]) if key in expected else value for key, value in state.items()}
    for key in sorted(expected.keys() | state.keys()):
        if key not in state:
            raise CheckpointError(f"{path}: {key} is missing, so these are the weights of another network")
        if key not in expected:
            raise CheckpointError(f"{path}: {key} is not expected, so these are the weights of another network")
        if state[key].shape != expected[key].shape:
            got, wanted = tuple(state[key].shape), tuple(expected[key].shape)
            raise CheckpointError(f"{path}: {key} has shape {got}, expected {wanted}")
    module.load_state_dict(state)


def _centre(kernel: Tensor, wanted: Tensor) -> Tensor:
    if kernel.ndim != 5 or wanted.ndim != 5 or kernel.shape[2] <= wanted.shape[2]:
        return kernel
    return kernel.narrow(2, (kernel.shape[2] - wanted.shape[2]) // 2, wanted.shape[2])


def read_metadata(path: Path) -> dict[str, str]:
    """What `save_weights` was given beside the weights."""
    with safe_open(path, "pt") as file:
        return dict(file.metadata() or {})
