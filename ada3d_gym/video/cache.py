"""Decoded clips on disk, shared by processes: written as a file, read through a memory map."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.profiling import timed

FORMAT = 2  # of the files; another format is another file
REMEDY = "set ADA3D_CACHE to a folder that can be written"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_log = logging.getLogger(__name__)


class CacheError(InputError):
    """A cache folder that cannot be used; the message names it and says what to do."""


@dataclass(frozen=True)
class Kept:
    """What a log says where items cannot be kept.

    Attributes:
        what: they are.
        otherwise: what becomes of them.
        remedy: what to do.
        smaller: what else, where the disk is full.
    """

    what: str
    otherwise: str
    remedy: str
    smaller: str = ""


CLIPS = Kept("decoded clips", "decoded every time", REMEDY, "lower cache_bytes, ")


class ClipCache:
    """A sparse file of uint8 arrays of one shape, filled as they are first needed, and a file of their checksums.

    An item counts as there when its bytes have their checksum, which is written after them. So it is whole or absent,
    whatever is lost of either file: by a process that is killed, a full disk, a power cut, or a network file system
    that shows one file before the other. Each process compares an item's checksum once, before it first reads it.
    Processes may fill the same item at once: they write the same bytes.

    Items are written to the file, not through the map: where the disk is full, that is an error, but a write through a
    map would kill the process. What cannot be written is not cached, which is logged once. A folder that cannot be
    written is read: whatever was cached there is used.

    Args:
        folder: where caches live.
        count, shape: how many items, and the shape of one.
        key: everything that shapes an item; another key is another file.
        limit: bytes on disk that the file may grow to; items beyond it, the last ones, are never kept.
        kept: what the items are called.

    Attributes:
        room: how many items can be kept.
    """

    def __init__(
        self,
        folder: Path,
        count: int,
        shape: tuple[int, ...],
        key: dict[str, Any],
        limit: int | None = None,
        kept: Kept = CLIPS,
    ):
        self._arguments = (folder, count, shape, key, limit, kept)
        self._kept = kept
        self._shape, self._size = shape, int(np.prod(shape))
        self.room = count if limit is None else min(count, limit // self._size)
        text = json.dumps({**key, "count": count, "room": self.room, "shape": shape, "format": FORMAT}, sort_keys=True)
        self.path = folder / f"clips-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        self._data, self._sums = self.path.with_suffix(".uint8"), self.path.with_suffix(".filled")
        self._obstacle: OSError | None = None
        """Why nothing can be written."""
        self._told = False
        try:
            self._create(text)
        except OSError as error:
            self._obstacle = error
        self._items, self._filled = self._map()
        self._checked = np.zeros(len(self._filled), np.bool_)

    def __reduce__(self) -> tuple[type[ClipCache], tuple[Any, ...]]:
        return type(self), self._arguments  # another process maps the same file

    @property
    def writable(self) -> bool:
        """Whether items can be put, as far as is known."""
        return self._obstacle is None

    def missing(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of `ids` that are not filled, each once, in rising order."""
        return np.unique(ids[~self._there(ids)])

    @timed("decoding")
    def put(self, index: int, item: NDArray[np.uint8]) -> None:
        """Keeps an item, where there is room for it on the disk and within the limit."""
        if index >= self.room:
            return
        if self._obstacle is None:
            try:
                _write(self._data, index * self._size, item.tobytes())
                _write(self._sums, index * 4, _checksum(item).tobytes())
                self._checked[index] = True
                return
            except OSError as error:
                self._obstacle = error
        self._tell(self._obstacle)

    @timed("decoding")
    def get(self, ids: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Copies of the items at `ids`; anything where one is missing."""
        there = self._there(ids)
        if there.all():
            return np.asarray(self._items[ids])
        items = np.empty((len(ids), *self._shape), np.uint8)
        items[there] = self._items[ids[there]]  # a hole in a file may not be read where its file system is full
        return items

    def _there(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each item is whole, compared with its checksum the first time."""
        kept = ids < len(self._filled)
        if not kept.all():
            there = np.zeros(len(ids), np.bool_)
            there[kept] = self._there(ids[kept])
            return there
        there = self._checked[ids]
        if not there.all():
            new = np.unique(ids[~there])
            new = new[self._filled[new] != 0]
            self._checked[new] = [_checksum(self._items[index]) == self._filled[index] for index in new.tolist()]
            there = self._checked[ids]
        return there

    def _create(self, text: str) -> None:
        """Makes the files, where they are not there as they should be."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):
            if self._fit():
                return
            self._sums.unlink(missing_ok=True)
            with self._data.open("wb") as file:
                file.truncate(self._bytes(self._data))  # sparse: costs no disk until written
            self._sums.write_bytes(bytes(self._bytes(self._sums)))  # not sparse: it is read before it is filled
            self.path.with_suffix(".json").write_text(text)

    def _fit(self) -> bool:
        files = (self._data, self._sums)
        return all(file.is_file() and file.stat().st_size == self._bytes(file) for file in files)

    def _bytes(self, file: Path) -> int:
        return max(1, self.room * (self._size if file == self._data else 4))  # an empty file cannot be mapped

    def _map(self) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
        """The items and their checksums, or none of either."""
        try:
            if self.room and self._fit():
                items = np.memmap(self._data, np.uint8, "r", shape=(self.room, *self._shape))
                return items, np.memmap(self._sums, np.uint32, "r", shape=(self.room,))
        except OSError as error:
            self._obstacle = self._obstacle or error
        return np.empty((0, *self._shape), np.uint8), np.empty(0, np.uint32)

    def _tell(self, obstacle: OSError) -> None:
        if self._told:
            return
        self._told = True
        missing = int(np.sum(self._filled == 0)) if len(self._filled) else self.room
        space = f"free the {missing * self._size:,} bytes that all would take, {self._kept.smaller}or "
        _log.warning(
            "%s: %s cannot be cached (%s), so those that are not there are %s; %s%s",
            self.path.parent,
            self._kept.what,
            obstacle.strerror or obstacle,
            self._kept.otherwise,
            space if obstacle.errno in NO_SPACE else "",
            self._kept.remedy,
        )


def _checksum(item: NDArray[np.uint8]) -> np.uint32:
    """Never 0, which stands for an item that was never written."""
    return np.uint32(zlib.crc32(np.ascontiguousarray(item).data) or 1)


def _write(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)
