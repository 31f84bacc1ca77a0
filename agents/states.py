"""States of interrupted and finished runs."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ada3d_gym.divergence import check_state
from ada3d_gym.errors import DivergedError, InputError
from ada3d_gym.files import replacing
from ada3d_gym.networks.checkpoints.weights import CheckpointError


class MissingState(CheckpointError, FileNotFoundError):
    """A state that is not there."""


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Writes a state of tensors and plain values, whole or not at all.

    Raises:
        InputError: for what `load_state` would refuse, by its name.
        OutputError: where it cannot be written, as on a full disk.
    """
    _check_plain("state_dict()", state)
    with replacing(path) as part, part.open("wb") as file:  # PyTorch hides why, where it opens the file itself
        torch.save(state, file)


def load_state(path: Path, data: bytes | None = None) -> dict[str, Any] | None:
    """What `save_state` wrote, or None if nothing was; nothing in the file is ever run.

    Args:
        path: of the file.
        data: what is in it, where that has been read.

    Raises:
        CheckpointError: for a file that cannot be read, and for a training that had diverged.
    """
    if data is None and not path.exists():
        return None
    try:
        state = torch.load(path if data is None else io.BytesIO(data), map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise _unreadable(path, type(error).__name__) from None
    if not isinstance(state, dict):
        raise _unreadable(path, f"it holds a {type(state).__name__}")
    try:
        check_state(state)
    except DivergedError as error:
        raise CheckpointError(f"{path}: of a training that had diverged ({error}); delete it and train again") from None
    return state


def _check_plain(name: str, value: Any) -> None:
    if isinstance(value, dict):
        for key, each in value.items():
            _check_plain(f"{name}[{key!r}]", each)
    elif isinstance(value, list | tuple):
        for place, each in enumerate(value):
            _check_plain(f"{name}[{place}]", each)
    elif isinstance(value, np.ndarray | np.generic) or callable(value):
        expected = "tensors and plain values; torch.from_numpy takes NumPy's arrays, int or float its numbers"
        raise InputError(f"{name} is {type(value).__name__}: expected {expected}")


def _unreadable(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{path}: not a readable checkpoint ({why}); delete it to start that part again")
