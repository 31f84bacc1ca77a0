"""What tells weights, files and lists of videos from others that lie in the same place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ada3d_gym.video.records import VideoRecord


def of_weights(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors by name, the same wherever they are kept and on whatever device."""
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def of_videos(records: Iterable[VideoRecord], root: Path) -> str:
    """SHA-256 of what is known of videos, without where the folder lies that they are in.

    Args:
        records: the videos; paths below `root` count from there.
        root: the data set's folder.
    """
    digest = hashlib.sha256()
    for record in records:
        path = record.path.relative_to(root) if record.path.is_relative_to(root) else record.path
        known = [str(path), record.labels, record.frames, record.size, record.sha256]
        digest.update((json.dumps(known) + "\n").encode())
    return digest.hexdigest()


def of_file(path: Path) -> str | None:
    """SHA-256 of a file, or None where there is none to read."""
    if not path.is_file():  # a pipe has no end
        return None
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()
