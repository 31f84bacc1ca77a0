"""A pickle that runs code when it is loaded by whoever trusts pickles."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import torch


class Touch:
    """Creates a file when unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def write_pickle(path: Path, victim: Path) -> None:
    path.write_bytes(pickle.dumps({"epoch": Touch(victim)}))


def write_torch(path: Path, victim: Path) -> None:
    torch.save({"epoch": Touch(victim)}, path)


def write_old_torch(path: Path, victim: Path) -> None:
    torch.save({"epoch": Touch(victim)}, path, _use_new_zipfile_serialization=False)


WRITERS = (write_pickle, write_torch, write_old_torch)


def goes_off_when_trusted(path: Path, victim: Path) -> bool:
    """Whether the file does harm to a careless reader; it undoes that harm."""
    torch.load(path, weights_only=False) if path.read_bytes()[:2] != b"\x80\x04" else pickle.loads(path.read_bytes())
    happened = victim.exists()
    victim.rmdir()
    return happened
