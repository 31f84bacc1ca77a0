"""Reads checkpoint files of other projects. Files are untrusted: nothing in them is ever run."""

from __future__ import annotations

import io
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ada3d_gym.networks.checkpoints.fitting import CheckpointError
from ada3d_gym.networks.checkpoints.kinds import Kind, kind_of, looks_like_text

_UNREADABLE = (SafetensorError, OSError, EOFError, ValueError, RuntimeError, TypeError, LookupError, AttributeError)


def read_content(path: Path) -> Any:
    """What a weights file holds: tensors, NumPy arrays and plain values, in whatever containers.

    Safetensors, PyTorch's own files (read with `weights_only`), and pickles of NumPy arrays, told apart by what is in
    them and not by their suffix.

    Raises:
        CheckpointError: for a file that is missing, damaged, of another kind, or asks for code to be run.
    """
    kind = kind_of(path)
    try:
        return _READERS[kind](path)
    except pickle.UnpicklingError as error:
        if not (reason := _too_much(error)):
            raise _damaged(path, kind, error) from error
        raise CheckpointError(
            f"{path}: {kind.value} that holds more than tensors and plain values ({reason}), so it is not read, lest "
            f"it run code. Where you trust the file, save its tensors alone: content = "
            f"{_TRUSTING[kind].format(str(path))}; torch.save(content[KEY], 'weights.pth'), with the key of content "
            "that has its weights; those of a whole network are its state_dict()"
        ) from error
    except _UNREADABLE as error:
        raise _damaged(path, kind, error) from error


_TRUSTING = {
    Kind.TORCH: "torch.load({!r}, map_location='cpu', weights_only=False)",
    Kind.PICKLE: "pickle.load(open({!r}, 'rb'), encoding='latin1')",
}


def _damaged(path: Path, kind: Kind, error: Exception) -> CheckpointError:
    reason = _first_line(error)
    if kind is not Kind.PICKLE:
        return CheckpointError(
            f"{path}: not a readable {kind.value.removeprefix('a ')}, so damaged or cut short ({reason}); "
            "download or copy it again"
        )
    if line := looks_like_text(path):
        return CheckpointError(f"{path}: a text file, no weights (it begins with {line!r})")
    return CheckpointError(
        f"{path}: not a readable checkpoint ({reason}): damaged, or none of {', '.join(k.value for k in Kind)}"
    )


def _too_much(error: pickle.UnpicklingError) -> str:
    """What a file asks for that is no plain value; "" where that was not the trouble."""
    if match := re.search(r"asks for (\S+)|GLOBAL (\S+)", str(error)):
        return f"it asks for {match[1] or match[2]}"
    match = re.search(r"WeightsUnpickler error:\s*(.+)", str(error))
    return match[1].rstrip(".") if match else ""


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _read_torch(path: Path) -> Any:
    # given a path, torch.load goes by its suffix
    with path.open("rb") as file, torch.serialization.safe_globals(_numpy_globals()):
        return torch.load(file, map_location="cpu", weights_only=True)


def _numpy_globals() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """What a best accuracy or a history of losses asks for that was a NumPy number or array when it was saved."""
    constructors = [
        (function, f"numpy.{core}.{module}.{name}")
        for core in ("core", "_core")  # before NumPy 2, and since
        for name, function in _NUMPY_CONSTRUCTORS.items()
        for module in ("multiarray", "numeric")
    ]
    return [np.ndarray, np.dtype, *{type(np.dtype(code)) for code in np.typecodes["All"]}, *constructors]


def _read_pickle(path: Path) -> Any:
    return _ArrayUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()  # written by Python 2


def _latin1(text: str, encoding: str) -> bytes:
    """How Python 3 pickles bytes for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"{encoding!r} is not an encoding of array data")
    return text.encode("latin1")


_READERS: dict[Kind, Callable[[Path], Any]] = {
    Kind.SAFETENSORS: load_file,
    Kind.TORCH: _read_torch,
    Kind.PICKLE: _read_pickle,
}


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
