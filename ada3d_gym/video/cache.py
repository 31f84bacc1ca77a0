"""Decoded clips on disk, shared by processes through a memory map."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray


class ClipCache:
    """A sparse file of `count` uint8 arrays of one shape, filled as they are first needed.

    An item's flag is set after its bytes are written, so an interruption leaves an item absent, never half there.
    Processes may fill the same item at once: they write the same bytes.

    Args:
        folder: where caches live.
        count, shape: how many items, and the shape of one.
        key: everything that shapes an item; another key is another file.
        limit: bytes on disk that the file may grow to; items beyond it, the last ones, are never kept.

    Attributes:
        room: how many items can be kept.
    """

    def __init__(self, folder: Path, count: int, shape: tuple[int, ...], key: dict[str, Any], limit: int | None = None):
        self._arguments = (folder, count, shape, key, limit)
        self.room = count if limit is None else min(count, limit // int(np.prod(shape)))
        text = json.dumps({**key, "count": count, "room": self.room, "shape": shape}, sort_keys=True)
        self.path = folder / f"clips-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):
            if not self.path.with_suffix(".uint8").exists():
                self.path.with_suffix(".filled").unlink(missing_ok=True)
            self._items = _map(self.path.with_suffix(".uint8"), (self.room, *shape))
            self._filled = _map(self.path.with_suffix(".filled"), (count,))
            self.path.with_suffix(".json").write_text(text)

    def __reduce__(self) -> tuple[type[ClipCache], tuple[Any, ...]]:
        return type(self), self._arguments  # another process maps the same file

    def missing(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of `ids` that are not filled, each once, in rising order."""
        return np.unique(ids[self._filled[ids] == 0])

    def put(self, index: int, item: NDArray[np.uint8]) -> None:
        """Keeps an item, where there is room for it."""
        if index < self.room:
            self._items[index] = item
            self._filled[index] = 1

    def get(self, ids: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Copies of the items at `ids`; anything where one is missing."""
        kept = ids < self.room
        if kept.all():
            return np.asarray(self._items[ids])
        items = np.empty((len(ids), *self._items.shape[1:]), np.uint8)
        items[kept] = self._items[ids[kept]]
        return items


def _map(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.uint8]]:
    size = max(1, int(np.prod(shape)))  # an empty file cannot be mapped
    if not path.exists() or path.stat().st_size != size:
        with path.open("wb") as file:
            file.truncate(size)  # sparse: costs no disk until written
    return np.memmap(path, np.uint8, "r+", shape=shape)
