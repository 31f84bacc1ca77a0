"""Reads frames of a video file by number, exactly, or says which file is bad and why."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import decord
import numpy as np
from decord._ffi.base import DECORDError
from numpy.typing import NDArray

from ada3d_gym.video.records import VideoError, VideoRecord

decord.logging.set_level(decord.logging.QUIET)

_UNREADABLE = (RuntimeError, DECORDError, IndexError)  # all that decord was seen to raise on bad files


def check_file(record: VideoRecord, remedy: str) -> None:
    """Raises `VideoError` if the file is missing or, where its checksum is known, differs from what was indexed."""
    try:
        content = record.path.read_bytes() if record.sha256 else b""
        if not record.path.is_file():
            raise VideoError(record.path, "is missing or not a file", remedy)
    except OSError as error:
        raise VideoError(record.path, f"cannot be read ({error.strerror or error})", remedy) from error
    if record.sha256 and hashlib.sha256(content).hexdigest() != record.sha256:
        raise VideoError(record.path, "does not match the checksum in its index, so it is damaged", remedy)


class Video:
    """An open video: `len(video)` frames, read by number.

    Opened, read and dropped in one thread: a decord reader must not be shared by threads or survive a fork.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            # One thread: decord's default costs up to twice the CPU time.
            self._reader = decord.VideoReader(str(path), num_threads=1)
            self._frames = len(self._reader)
        except _UNREADABLE as error:
            raise VideoError(path, f"cannot be opened as a video ({_first_line(error)})") from error
        if not self._frames:
            raise VideoError(path, "holds no video frame")

    def __len__(self) -> int:
        return self._frames

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Frames (n, H, W, 3) uint8 RGB at `indices`, each in `[0, len(self))`."""
        wanted = [int(i) for i in indices]
        if not all(0 <= i < self._frames for i in wanted):  # decord reads -1 as the last frame
            raise IndexError(f"{self.path}: frames {wanted} are not all inside 0 to {self._frames - 1}")
        try:
            frames: NDArray[np.uint8] = self._reader.get_batch(wanted).asnumpy()
        except _UNREADABLE as error:
            raise VideoError(self.path, f"frames {wanted} cannot be decoded ({_first_line(error)})") from error
        if frames.ndim != 4 or frames.shape[0] != len(wanted) or frames.shape[3] != 3:
            raise VideoError(self.path, f"decoded to shape {frames.shape} instead of ({len(wanted)}, H, W, 3)")
        return frames


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
