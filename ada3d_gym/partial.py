"""What an evaluation has judged so far, on disk until it ends, so that an interrupted one goes on."""

from __future__ import annotations

import shutil
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.bandit import Outcome
from ada3d_gym.files import OutputError, replacing

KEPT = tuple(field.name for field in fields(Outcome) if field.default is MISSING)
"""What is kept of an outcome: what is there of every one."""


class Judged(NamedTuple):
    """A batch: clip ids (B,), masks u (B, T) and v (B, K), and what came of them."""

    ids: NDArray[np.int64]
    u: NDArray[np.bool_]
    v: NDArray[np.bool_]
    outcome: Outcome


class Parts:
    """A file a batch, in a folder of their own; nothing in them is ever run.

    Args:
        folder: of nothing but these; None keeps nothing.
    """

    def __init__(self, folder: Path | None):
        self._folder, self._full = folder, False

    def read(self, batches: Sequence[NDArray[np.int64]], shape: tuple[int, int, int]) -> dict[int, Judged]:
        """Those of the batches (each the ids of its clips) that are there, whole and of `shape` (T, K, C)."""
        if self._folder is None or not self._folder.is_dir():
            return {}
        read = ((number, _read(self._path(number))) for number in range(len(batches)))
        return {number: part for number, part in read if part is not None and _fits(part, batches[number], shape)}

    def write(self, number: int, part: Judged) -> None:
        """Keeps a batch, where the disk has room."""
        if self._folder is None or self._full:
            return
        path = self._path(number)
        outcome = {name: getattr(part.outcome, name) for name in KEPT}
        try:
            with replacing(path) as unfinished, unfinished.open("wb") as file:
                np.savez(file, ids=part.ids, u=part.u, v=part.v, **outcome)
        except OutputError as error:
            self._full = True
            warnings.warn(f"{error}. Interrupted, this evaluation would not go on from here", stacklevel=2)

    def remove(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{number:06d}.npz"


def _read(path: Path) -> Judged | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            outcome = Outcome(**{name: file[name] for name in KEPT})
            return Judged(file["ids"], file["u"], file["v"], outcome)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # absent or damaged: judged again
        return None


def _fits(part: Judged, ids: NDArray[np.int64], shape: tuple[int, int, int]) -> bool:
    frames, stages, classes = shape
    lengths = {len(getattr(part.outcome, name)) for name in KEPT}
    found = (part.u.shape, part.v.shape, part.outcome.scores.shape)
    expected = tuple((len(ids), width) for width in (frames, stages, classes))
    return np.array_equal(part.ids, ids) and found == expected and lengths == {len(ids)}
