"""Where a video's bytes are: in a file of their own, or in a part of another, such as a shard."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

WHOLE = 2**19  # bytes of a video up to which it is read in one request, so that a distant disk is waited for once


@dataclass(frozen=True)
class Part(os.PathLike[str]):
    """A video within another file, whose bytes stand there as they are.

    Attributes:
        path: what the video is called: the other file's path and, below that, a name of its own.
        archive: the other file.
        offset, size: of its bytes there.
        total: bytes of the other file, by which another one in its place is found out.
    """

    path: Path
    archive: Path
    offset: int
    size: int
    total: int

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)


Source = Path | Part


def file_of(source: Source) -> Path:
    """The file on disk."""
    return source.archive if isinstance(source, Part) else source


def size_of(source: Source) -> int | None:
    """Bytes of a video, None where there is no such file, or something else than a file in its place.

    Raises:
        OSError: where it cannot be looked up; for a part, also where its file is another one.
    """
    try:
        about = file_of(source).stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # a path with a zero byte
        return None
    if not stat.S_ISREG(about.st_mode):
        return None
    if not isinstance(source, Part):
        return about.st_size
    if about.st_size != source.total:
        raise OSError(f"{source.archive} has {about.st_size} bytes instead of {source.total}")
    return source.size


def opened_source(source: Source) -> BinaryIO:
    """A video's bytes, to be closed; those of a small part in memory.

    Raises:
        OSError: where they cannot be read.
    """
    if not isinstance(source, Part):
        return source.open("rb")
    window = _Window(source)
    if source.size > WHOLE:
        return window  # type: ignore[return-value]
    with window:
        return _Bytes(source, window.read())


def small_file(source: Path) -> BinaryIO | None:
    """The bytes of a file in memory, if they are few.

    Raises:
        OSError: where they cannot be read.
    """
    if source.stat().st_size > WHOLE:  # which the system remembers from a moment ago, while to open it is a request
        return None
    with source.open("rb", buffering=0) as file:
        return _Bytes(source, file.read())


class _Bytes(io.BytesIO):
    """A small video, with a name: FFmpeg goes by its extension where bytes alone leave a doubt."""

    def __init__(self, source: Source, content: bytes):
        super().__init__(content)
        self.name = str(source)


class _Window(io.RawIOBase):
    """A part of a file, as if it were all of it."""

    def __init__(self, part: Part):
        self.name = str(part)
        self._size, self._offset, self._place = part.size, part.offset, 0
        self._file = part.archive.open("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        left = max(0, min(len(buffer), self._size - self._place))
        self._file.seek(self._offset + self._place)
        count = self._file.readinto(memoryview(buffer)[:left]) or 0
        self._place += count
        return count

    def readall(self) -> bytes:
        """All that is left, in as few calls as may be."""
        content = memoryview(bytearray(max(0, self._size - self._place)))
        done = 0
        while count := self.readinto(content[done:]):
            done += count
        return bytes(content[:done])

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        return self._place

    def close(self) -> None:
        self._file.close()
        super().close()
