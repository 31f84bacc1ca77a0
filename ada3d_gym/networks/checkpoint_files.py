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

# Under which keys weights are kept: PySlowFast and pytorchvideo, MMAction2 and Lightning, PyTorch's tutorials, Caffe2,
# others. Averages of weights come last: they are taken where there is nothing else.
WRAPPERS = (
    *("model_state", "state_dict", "model_state_dict", "blobs", "model", "net", "network", "module", "weights"),
    *("params", "state", "model_ema", "ema_state_dict", "state_dict_ema", "ema_model", "ema"),
)
_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # how PyTorch's files began before 1.6
_NOT_WEIGHTS = {
    b"version https://git-lfs": "a pointer of Git LFS in the place of the file: run 'git lfs pull'",
    b"<": "a page of the web, or other text in markup: the download went wrong, so repeat it",
    b"\x1f\x8b": "compressed: unpack it with gunzip",
    b"\x89HDF": "in HDF5, as Keras has it; PyTorch's files, safetensors and Caffe2's pickles are read",
}


def read_state(path: Path | str) -> State:
    """The tensors of a checkpoint by their names in the file.

    Safetensors, PyTorch's own files (read with `weights_only`), and Caffe2's pickles of NumPy arrays, told apart by
    what is in them, whatever they are called. A wrapping dict is opened at the first of `WRAPPERS` that it has;
    whatever else it holds is left.

    Raises:
        CheckpointError: for a file that is missing, damaged, of another kind, or asks for code to be run.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weights file; give the path of a checkpoint")
    try:
        content: Any = _reader(path)(path)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: not a readable checkpoint, or it holds more than tensors and plain values "
            f"({_first_line(error)}). Where you trust the file, save its state dict alone: "
            "torch.save({'state_dict': checkpoint['state_dict']}, ...)"
        ) from error
    except (SafetensorError, OSError, EOFError, ValueError, RuntimeError, TypeError, LookupError, AttributeError) as e:
        raise CheckpointError(f"{path}: not a readable checkpoint ({_first_line(e)})") from e
    keys = _names(content)
    while isinstance(content, Mapping) and (wrapper := _wrapper(content)):
        content = content[wrapper]
    state = _tensors(content) if isinstance(content, Mapping) else {}
    if not state:
        raise CheckpointError(
            f"{path}: holds no tensors by name, so this is no checkpoint of a network. It holds {keys}; expected "
            f"tensors there or under one of {', '.join(WRAPPERS)}"
        )
    return state


def _reader(path: Path) -> Callable[[Path], Any]:
    """By the first bytes of a file, what reads it."""
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise CheckpointError(f"{path}: is empty, so the download or the copy broke off: repeat it")
    for sign, problem in _NOT_WEIGHTS.items():
        if start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(sign):
            raise CheckpointError(f"{path}: not a checkpoint, but {problem}")
    if start.startswith((b"PK\x03\x04", _LEGACY)):
        return _read_torch
    if start[8:9] == b"{":  # after the length of its header
        return load_file
    return _read_pickle if start.startswith(b"\x80") or path.suffix == ".pkl" else _read_torch


def _wrapper(content: Mapping[Any, Any]) -> str | None:
    """The key under which the weights are, where they are not in the dict itself."""
    known = [key for key in WRAPPERS if isinstance(content.get(key), Mapping) and _holds_tensors(content[key])]
    return known[0] if known else None


def _holds_tensors(content: Mapping[Any, Any], depth: int = 3) -> bool:
    if _tensors(content):
        return True
    inner = (value for value in content.values() if isinstance(value, Mapping))
    return depth > 0 and any(_holds_tensors(value, depth - 1) for value in inner)


def _tensors(content: Mapping[Any, Any]) -> State:
    state = {}
    for key, value in content.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
            value = torch.from_numpy(np.ascontiguousarray(value))
        if isinstance(key, str) and isinstance(value, Tensor):
            state[key] = value
    return state


def _names(content: Any) -> str:
    """What a file holds, in words."""
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    keys = [str(key) for key in content]
    return f"the keys {', '.join(keys[:8])}{', …' if len(keys) > 8 else ''}" if keys else "nothing"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _read_torch(path: Path) -> Any:
    with path.open("rb") as file:  # by its name, PyTorch would take some for safetensors
        return torch.load(file, map_location="cpu", weights_only=True)


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
