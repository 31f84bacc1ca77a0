"""decord behind `Video`: fast and frame-exact."""

from __future__ import annotations

import math
from contextlib import nullcontext

import decord
import numpy as np
from decord._ffi.base import DECORDError
from numpy.typing import NDArray

from ada3d_gym.video.indexing.progress import advance, is_watched
from ada3d_gym.video.records import NumberingError, VideoError
from ada3d_gym.video.sources import Part, Source, opened_source

decord.logging.set_level(decord.logging.QUIET)

# All that decord was seen to raise on bad files, and on a path that is no text: it takes one in UTF-8 alone.
_UNREADABLE = (RuntimeError, DECORDError, IndexError, UnicodeError, OSError)
_STRIDE = 128  # frames that are decoded in one call while somebody waits for a sign of progress


class DecordReader:
    """An open file; see `Video`."""

    def __init__(self, path: Source, size: tuple[int, int] | None = None):
        self.path, self.size = path, size
        width, height = size or (-1, -1)
        try:
            # One thread: decord's default costs up to twice the CPU time. Absolute: "a:b.mp4" is no protocol's address.
            with opened_source(path) if isinstance(path, Part) else nullcontext(str(path.absolute())) as file:
                self._reader = decord.VideoReader(file, width=width, height=height, num_threads=1)
            self._frames = len(self._reader)
        except _UNREADABLE as error:
            raise VideoError(path, f"cannot be opened as a video ({_first_line(error)})") from error
        rate = float(self._reader.get_avg_fps()) if self._frames else 0.0
        self.rate = rate if math.isfinite(rate) and rate > 0 else 0.0
        if self._frames and self._reader.get_key_indices()[:1] != [0]:
            raise NumberingError(path)

    def __len__(self) -> int:
        return self._frames

    def read(self, indices: list[int]) -> NDArray[np.uint8]:
        """Frames (n, H, W, 3)."""
        try:
            if is_watched():
                return np.concatenate([self._approach(index) for index in indices])
            frames: NDArray[np.uint8] = self._reader.get_batch(indices).asnumpy()
        except _UNREADABLE as error:
            raise VideoError(self.path, f"frames {indices} cannot be decoded ({_first_line(error)})") from error
        return frames

    def _approach(self, index: int) -> NDArray[np.uint8]:
        """One frame (1, H, W, 3), decoding bit by bit what leads to it: half an hour may follow a key frame."""
        key = max(key for key in self._reader.get_key_indices() if key <= index)
        for stone in range(key + _STRIDE, index, _STRIDE):
            self._reader.get_batch([stone])
            advance()
        frame: NDArray[np.uint8] = self._reader.get_batch([index]).asnumpy()
        advance()
        return frame


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
