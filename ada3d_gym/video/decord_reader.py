"""decord behind `Video`: fast and frame-exact."""

from __future__ import annotations

from pathlib import Path

import decord
import numpy as np
from decord._ffi.base import DECORDError
from numpy.typing import NDArray

from ada3d_gym.video.records import NumberingError, VideoError

decord.logging.set_level(decord.logging.QUIET)

_UNREADABLE = (RuntimeError, DECORDError, IndexError)  # all that decord was seen to raise on bad files


class DecordReader:
    """An open file; see `Video`."""

    def __init__(self, path: Path, size: tuple[int, int] | None = None):
        self.path, self.size = path, size
        width, height = size or (-1, -1)
        try:
            # One thread: decord's default costs up to twice the CPU time.
            self._reader = decord.VideoReader(str(path), width=width, height=height, num_threads=1)
            self._frames = len(self._reader)
        except _UNREADABLE as error:
            raise VideoError(path, f"cannot be opened as a video ({_first_line(error)})") from error
        self.rate = float(self._reader.get_avg_fps()) if self._frames else 0.0
        if self._frames and self._reader.get_key_indices()[:1] != [0]:
            raise NumberingError(path)

    def __len__(self) -> int:
        return self._frames

    def read(self, indices: list[int]) -> NDArray[np.uint8]:
        """Frames (n, H, W, 3)."""
        try:
            frames: NDArray[np.uint8] = self._reader.get_batch(indices).asnumpy()
        except _UNREADABLE as error:
            raise VideoError(self.path, f"frames {indices} cannot be decoded ({_first_line(error)})") from error
        return frames


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
