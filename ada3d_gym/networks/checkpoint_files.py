"""Reads other projects' checkpoint files as flat dicts of tensors. Files are untrusted: nothing in them is ever run."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ada3d_gym.networks.checkpoints import CheckpointError

State = dict[str, Tensor]
WRAPPERS = ("model_state", "state_dict", "blobs", "model")  # PySlowFast and pytorchvideo, MMAction2, Caffe2, others


def read_state(path: Path | str) -> State:
    """The tensors of a checkpoint by their names in the file.

    Safetensors, PyTorch's own files (read with `weights_only`), and Caffe2's pickles of NumPy arrays. A wrapping dict
    with `model_state`, `state_dict`, `blobs` or `model` is opened; whatever else it holds is left.

    Raises:
        CheckpointError: for a file that is missing, damaged, of another kind, or asks for code to be run.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weights file; give the path of a checkpoint")
    readers: dict[str, Callable[[Path], Any]] = {".safetensors": load_file, ".pkl": _read_pickle}
    read = readers.get(path.suffix, _read_torch)
    try:
        content: Any = read(path)
    except (SafetensorError, OSError, EOFError, ValueError, RuntimeError, TypeError, LookupError, AttributeError) as e:
        kind = "readable safetensors file" if path.suffix == ".safetensors" else "readable checkpoint"
        raise CheckpointError(f"{path}: not a {kind} ({_first_line(e)})") from e
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: not a readable checkpoint, or it holds more than tensors and plain values "
            f"({_first_line(error)}). Where you trust the file, save its state dict alone: "
            "torch.save({'state_dict': checkpoint['state_dict']}, ...)"
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    state = _tensors(content) if isinstance(content, Mapping) else {}
    if not state:
        raise CheckpointError(f"{path}: holds no tensors by name, so this is no checkpoint of a network")
    return state


def _tensors(content: Mapping[Any, Any]) -> State:
    state = {}
    for key, value in content.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
            value = torch.from_numpy(np.ascontiguousarray(value))
        if isinstance(key, str) and isinstance(value, Tensor):
            state[key.removeprefix("module.")] = value  # as DistributedDataParallel names them
    return state


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _read_torch(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _read_pickle(path: Path) -> Any:
    return _ArrayUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()  # written by Python 2


def _latin1(text: str, encoding: str) -> bytes:
    """How Python 3 pickles bytes for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"{encoding!r} is not an encoding of array data")
    return text.encode("latin1")


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles NumPy arrays in plain containers, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        if module.startswith(("numpy.core.", "numpy._core.")) and name in _NUMPY_CONSTRUCTORS:
            return _NUMPY_CONSTRUCTORS[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
    ("collections", "OrderedDict"): OrderedDict,
}

# The functions that NumPy itself pickles by, wherever this NumPy keeps them.
_NUMPY_CONSTRUCTORS: dict[str, Any] = {
    "_reconstruct": np.zeros(1).__reduce__()[0],
    "scalar": np.float64(0).__reduce__()[0],
    "_frombuffer": np.zeros(1).__reduce_ex__(5)[0],
}
