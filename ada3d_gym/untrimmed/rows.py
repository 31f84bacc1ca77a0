"""Rows of numbers that are computed when they are first asked for, and kept: in memory, or in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.networks.features import RecentRows
from ada3d_gym.video.cache import ClipCache, Kept

Rows = NDArray[np.float32]
Numbers = NDArray[np.int64]
_LOOKS = Kept("looks", "kept in memory, for this process alone", "give a folder that can be written")


class KeptRows:
    """Rows (width,) float32 by number, in `[0, count)`.

    Args:
        count, width: how many rows, and how long each is.
        compute: rows (B, width) of numbers (B,) that are all different.
        batch_size: rows that are computed, and then kept, at once.
        memory_bytes: for rows in memory at the most; those asked for longest ago make room for others.
        folder: None, or where rows are kept instead, for this and other processes (see `ClipCache`); where it cannot be
            written, what is not there is kept in memory.
        key: of the folder: all that shapes the rows.
    """

    def __init__(
        self,
        count: int,
        width: int,
        compute: Callable[[Numbers], Rows],
        *,
        batch_size: int,
        memory_bytes: int,
        folder: Path | None,
        key: dict[str, Any],
    ):
        self._count, self._width, self._compute, self._batch_size = count, width, compute, batch_size
        self._disk = None if folder is None else ClipCache(folder, count, (4 * width,), key, kept=_LOOKS)
        self._memory = RecentRows((width,), "cpu", memory_bytes)
        self._room = count if folder is not None else memory_bytes // (4 * width)

    @property
    def nbytes(self) -> int:
        """What all rows take."""
        return 4 * self._count * self._width

    @property
    def fits(self) -> bool:
        """Whether all can be kept at once."""
        return self._room >= self._count

    def missing(self, numbers: Numbers) -> Numbers:
        """Those that would have to be computed, each once, in rising order."""
        return np.unique(numbers)[~self._known(np.unique(numbers))]

    def __call__(self, numbers: Numbers) -> Rows:
        """New rows (B, width)."""
        unique, where = np.unique(numbers, return_inverse=True)
        known = self._known(unique)
        rows = np.empty((len(unique), self._width), np.float32)
        if known.any():
            rows[known] = self._get(unique[known])
        unknown = np.flatnonzero(~known)
        for start in range(0, len(unknown), self._batch_size):
            part = unknown[start : start + self._batch_size]
            rows[part] = self._compute(unique[part])
            self._put(unique[part], rows[part])
        return rows[where]

    def _known(self, unique: Numbers) -> NDArray[np.bool_]:
        return self._on_disk(unique) | self._in_memory(unique)

    def _on_disk(self, unique: Numbers) -> NDArray[np.bool_]:
        if self._disk is None:
            return np.zeros(len(unique), np.bool_)
        return ~np.isin(unique, self._disk.missing(unique))

    def _in_memory(self, unique: Numbers) -> NDArray[np.bool_]:
        return np.array([number in self._memory for number in unique.tolist()], np.bool_)

    def _get(self, unique: Numbers) -> Rows:
        rows = np.empty((len(unique), self._width), np.float32)
        there = self._on_disk(unique)
        if self._disk is not None and there.any():
            rows[there] = self._disk.get(unique[there]).view(np.float32)
        if not there.all():
            rows[~there] = self._memory.get(unique[~there].tolist()).numpy()
        return rows

    def _put(self, unique: Numbers, rows: Rows) -> None:
        if self._disk is not None:
            for number, row in zip(unique.tolist(), rows, strict=True):
                self._disk.put(number, row.view(np.uint8))
        if self._disk is None or not self._disk.writable:
            self._memory.put(unique.tolist(), torch.from_numpy(rows))
