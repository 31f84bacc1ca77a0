"""Rows of numbers that are computed when they are first asked for, and kept: in memory, or in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.networks.features import RecentRows
from ada3d_gym.video.cache import ClipCache

Rows = NDArray[np.float32]
Numbers = NDArray[np.int64]


class KeptRows:
    """Rows (width,) float32 by number, in `[0, count)`.

    Args:
        count, width: how many rows, and how long each is.
        compute: rows (B, width) of numbers (B,) that are all different.
        batch_size: rows that are computed, and then kept, at once.
        memory_bytes: for rows in memory at the most; those asked for longest ago make room for others.
        folder: None, or where rows are kept instead, for this and other processes (see `ClipCache`).
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
        self._disk = None if folder is None else ClipCache(folder, count, (4 * width,), key)
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
        if self._disk is not None:
            return ~np.isin(unique, self._disk.missing(unique))
        return np.array([number in self._memory for number in unique.tolist()], np.bool_)

    def _get(self, unique: Numbers) -> Rows:
        if self._disk is not None:
            return self._disk.get(unique).view(np.float32)
        rows: Rows = self._memory.get(unique.tolist()).numpy()
        return rows

    def _put(self, unique: Numbers, rows: Rows) -> None:
        if self._disk is None:
            self._memory.put(unique.tolist(), torch.from_numpy(rows))
            return
        for number, row in zip(unique.tolist(), rows, strict=True):
            self._disk.put(number, row.view(np.uint8))
