"""States of interrupted and finished runs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from ada3d_gym.divergence import check_state
from ada3d_gym.errors import DivergedError
from ada3d_gym.networks.checkpoints import CheckpointError


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Writes a state of tensors and plain values, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(path.suffix + ".part")
    torch.save(state, part)
    part.replace(path)


def load_state(path: Path) -> dict[str, Any] | None:
    """What `save_state` wrote, or None if nothing was; nothing in the file is ever run.

    Raises:
        CheckpointError: for a file that cannot be read, and for a training that had diverged.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{path}: not a readable checkpoint ({type(error).__name__}); delete it to start that part again"
        ) from None
    try:
        check_state(state)
    except DivergedError as error:
        raise CheckpointError(f"{path}: of a training that had diverged ({error}); delete it and train again") from None
    return state
