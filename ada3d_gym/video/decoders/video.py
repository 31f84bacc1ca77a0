"""Reads frames of a video file by number, exactly, or says which file is bad and why."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.video.decoders.packets import Packets, scan
from ada3d_gym.video.decoders.pyav_reader import PyAVReader
from ada3d_gym.video.records import REMEDY, NumberingError, VideoError, VideoRecord
from ada3d_gym.video.sources import Part, Source, opened_source, size_of

try:
    from ada3d_gym.video.decoders.decord_reader import DecordReader
except ImportError:  # decord has wheels for Linux on x86-64 and for Windows alone
    DecordReader = None  # type: ignore[assignment,misc]


SHARD_REMEDY = "copy the shard anew, or write it again with 'ada3d shards'"
SMALL = 2**16  # bytes of a file up to which looking for its packets costs more than what PyAV saves then


def check_file(record: VideoRecord, remedy: str = REMEDY) -> None:
    """Raises `VideoError` if the file is missing or, where its size or checksum is known, differs from the index."""
    if remedy == REMEDY and isinstance(record.source, Part):
        remedy = SHARD_REMEDY
    try:
        size = size_of(record.source)
        if size is None:
            raise VideoError(record.path, "is missing or not a file", remedy)
        digest = _digest(record.source) if record.sha256 else ""
    except OSError as error:
        raise VideoError(record.path, f"cannot be read ({error.strerror or error})", remedy) from error
    if record.size and size != record.size:
        raise VideoError(record.path, f"has {size} bytes instead of the {record.size} of its index", remedy)
    if digest != record.sha256:
        raise VideoError(record.path, "does not match the checksum in its index, so it is damaged", remedy)


def _digest(source: Source) -> str:
    with opened_source(source) as file:
        return hashlib.sha256(file.read()).hexdigest()


class Reader(Protocol):
    """A decoder with a file open."""

    rate: float

    def __len__(self) -> int: ...
    def read(self, indices: list[int]) -> NDArray[np.uint8]: ...


class Video:
    """An open video: `len(video)` frames, read by number.

    PyAV reads, and leaves out frames that nothing needs. decord reads small files whose packets are not known, tries
    what PyAV finds damaged, and reads colours of more than 8 bits at their own size, where it has a wheel and would
    give the frames that are asked for (see `packets`). Opened, read and dropped in one thread: a decord reader must not
    be shared by threads or survive a fork.

    Args:
        path: of the file, or where in a file it is.
        size: (width, height) to scale frames to while decoding, antialiased; by default the video's own, which is that
            of its first frame if the size changes.
        seekable: whether decord numbers the file's frames rightly, where that is known; otherwise its packets are read
            to find out, at a fifth of the price of a clip.
        frames: how many there are, where that is known. It saves decoding a whole file whose frames must be counted.
        rate: frames a second, where that is known.
        packets: of the file, where they are known. It saves reading all of it to find them. They are believed: check
            before that the file is still the one that they are of.

    Raises:
        VideoError: naming the file, if it is not there or cannot be read as a video.
    """

    def __init__(
        self,
        path: Source,
        size: tuple[int, int] | None = None,
        seekable: bool | None = None,
        frames: int = 0,
        rate: float = 0.0,
        packets: Packets | None = None,
    ):
        self.path, self.size = path, size
        if packets is None:  # else it has been checked before; a pipe would be waited for
            check_file(VideoRecord(path, ()) if isinstance(path, Path) else VideoRecord(path.path, (), part=path))
        self._packets = scan(path) if packets is None and seekable is None else packets
        self.seekable = self._packets.seekable if self._packets else bool(seekable)
        self._reader = self._open(frames)
        self._frames = len(self._reader)
        self.rate = rate or (self._packets or self._reader).rate
        if not self._frames:
            raise VideoError(path, "holds no video frame")

    def __len__(self) -> int:
        return self._frames

    @property
    def packets(self) -> Packets | None:
        """Those of the file, where they had to be known."""
        return self._packets

    @property
    def decoded(self) -> bool:
        """Whether opening it has decoded all of it, so that all its frames can be read."""
        return isinstance(self._reader, PyAVReader) and self._reader.counted

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Frames (n, H, W, 3) uint8 RGB at `indices`, each in `[0, len(self))`.

        Raises:
            IndexError: for a frame number that the video does not have.
            VideoError: naming the file and the frames, for frames that cannot be decoded.
        """
        wanted = [int(i) for i in indices]
        if not all(0 <= i < self._frames for i in wanted):  # decord reads -1 as the last frame
            raise IndexError(f"{self.path}: frames {wanted} are not all inside 0 to {self._frames - 1}")
        try:
            frames = self._reader.read(wanted)
        except VideoError as error:
            frames = self._read_otherwise(wanted, error)
        if frames.ndim != 4 or frames.shape[0] != len(wanted) or frames.shape[3] != 3:
            raise VideoError(self.path, f"decoded to shape {frames.shape} instead of ({len(wanted)}, H, W, 3)")
        return frames

    def _open(self, frames: int) -> Reader:
        if DecordReader is None or not self.seekable:
            return PyAVReader(self.path, self.size, self._packets, frames)
        if self._packets is None and (size_of(self.path) or 0) <= SMALL:
            return self._open_decord()
        try:
            self._packets = self._packets or scan(self.path)
        except VideoError:
            return self._open_decord()
        if self._packets.deep and self.size is None:  # as it was read for networks that have been trained
            return self._open_decord()
        return PyAVReader(self.path, self.size, self._packets)

    def _read_otherwise(self, wanted: list[int], error: VideoError) -> NDArray[np.uint8]:
        """Frames that the reader at hand does not give, from the others."""
        if DecordReader is not None and self.seekable and isinstance(self._reader, PyAVReader):
            self._reader = self._open_decord()
            try:
                return self._reader.read(wanted)
            except VideoError as second:
                error = second
        fallback = self._fallback(error)
        if len(fallback) < self._frames:  # decord believes the header, PyAV what can be decoded
            problem = f"only {len(fallback)} of its {self._frames} frames can be decoded ({error.problem})"
            raise VideoError(self.path, problem) from error
        self._reader = fallback
        return fallback.read(wanted)

    def _open_decord(self) -> Reader:
        try:
            return DecordReader(self.path, self.size)
        except NumberingError:
            raise
        except VideoError as error:
            return self._fallback(error)

    def _fallback(self, cause: VideoError) -> Reader:
        try:
            return PyAVReader(self.path, self.size, self._packets)
        except VideoError as error:
            raise cause from error
