"""A pickle that runs code when it is loaded by whoever trusts pickles."""

from __future__ import annotations

import io
import os
import pickle
from contextlib import suppress
from pathlib import Path

import torch


class Touch:
    """Creates a file when unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def write_pickle(path: Path, victim: Path) -> None:
    path.write_bytes(pickle.dumps({"epoch": Touch(victim)}, protocol=2))


def write_torch(path: Path, victim: Path) -> None:
    torch.save({"epoch": Touch(victim)}, path)


def write_old_torch(path: Path, victim: Path) -> None:
    torch.save({"epoch": Touch(victim)}, path, _use_new_zipfile_serialization=False)


WRITERS = (write_pickle, write_torch, write_old_torch)


def goes_off_when_trusted(path: Path, victim: Path) -> bool:
    """Whether the file does harm to a careless reader; it undoes that harm."""
    with suppress(RuntimeError):  # a plain pickle has run by the time torch finds that it is none of its own
        torch.load(io.BytesIO(path.read_bytes()), weights_only=False)
    happened = victim.exists()
    victim.rmdir()
    return happened
