"""Weights on disk, as safetensors: nothing in a file is ever run."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ada3d_gym.files import replacing
from ada3d_gym.networks.checkpoints.fitting import CheckpointError, fitting
from ada3d_gym.networks.checkpoints.kinds import Kind, kind_of

__all__ = ["SHIPPED", "CheckpointError", "load_weights", "read_metadata", "save_weights"]

SHIPPED = Path(__file__).parents[2] / "weights"


def save_weights(module: nn.Module, path: Path, metadata: dict[str, str] | None = None) -> None:
    """Writes a module's state to a safetensors file, whole or not at all.

    Raises:
        OutputError: for a full disk or a place that cannot be written to.
    """
    content = save({key: value.contiguous() for key, value in module.state_dict().items()}, metadata)
    with replacing(path) as part:
        part.write_bytes(content)


def load_weights(module: nn.Module, path: Path | str, *, centre_taps: bool = False) -> None:
    """Fills a module from a safetensors file with exactly its keys and shapes.

    Args:
        module: of any kind.
        path: of the file.
        centre_taps: take the centre taps of 3D kernels that are longer over time than the module's.

    Raises:
        CheckpointError: for a missing or damaged file, for weights of another network, and for values that no trained
            network has.
    """
    path = Path(path)
    if kind_of(path, "a safetensors file") is Kind.TORCH:
        raise CheckpointError(
            f"{path}: a PyTorch file, not a readable safetensors file; "
            "write its tensors anew with safetensors.torch.save_file"
        )
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not a readable safetensors file ({error}); download or copy it again"
        ) from error
    expected = module.state_dict()
    if centre_taps:
        state = {key: centre_of(value, expected[key]) if key in expected else value for key, value in state.items()}
    module.load_state_dict(fitting(str(path), state, expected))


def centre_of(kernel: Tensor, wanted: Tensor) -> Tensor:
    """The centre of a 3D kernel that is longer over time than the wanted one; any other tensor as it is."""
    if kernel.ndim != 5 or wanted.ndim != 5 or kernel.shape[2] <= wanted.shape[2]:
        return kernel
    return kernel.narrow(2, (kernel.shape[2] - wanted.shape[2]) // 2, wanted.shape[2])


def read_metadata(path: Path) -> dict[str, str]:
    """What `save_weights` was given beside the weights."""
    with safe_open(path, "pt") as file:
        return dict(file.metadata() or {})
