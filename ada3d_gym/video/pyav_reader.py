"""PyAV behind `Video`: slower, for files and systems that decord does not read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from ada3d_gym.video.records import NumberingError, VideoError

_UNREADABLE = (av.error.FFmpegError, OSError, ValueError, IndexError)


class PyAVReader:
    """A file that is decoded from its start for every read: exact, whatever its index says. See `Video`."""

    def __init__(self, path: Path, size: tuple[int, int] | None = None):
        self.path, self.size, self.rate = path, size, 0.0
        self._frames = sum(1 for _ in self._decode())
        if not self._frames:
            raise VideoError(path, "holds no video frame")

    def __len__(self) -> int:
        return self._frames

    def read(self, indices: list[int]) -> NDArray[np.uint8]:
        """Frames (n, H, W, 3)."""
        wanted = set(indices)
        found = {i: self._array(frame) for i, frame in enumerate(self._decode(max(indices) + 1)) if i in wanted}
        if missing := sorted(wanted - found.keys()):
            raise VideoError(self.path, f"frames {missing} cannot be decoded")
        return np.stack([found[i] for i in indices])

    def _decode(self, count: int | None = None) -> Iterator[Any]:
        try:
            with av.open(str(self.path)) as container:
                if not container.streams.video or container.format.name.endswith(("_pipe", "image2")):
                    raise VideoError(self.path, "holds no video stream")
                if not next(container.demux(video=0)).is_keyframe:
                    raise NumberingError(self.path)
                container.seek(0)
                self.rate = float(container.streams.video[0].average_rate or 0)
                for number, frame in enumerate(container.decode(video=0)):
                    if number == count:
                        return
                    yield frame
        except _UNREADABLE as error:
            problem = getattr(error, "strerror", None) or type(error).__name__
            raise VideoError(self.path, f"cannot be decoded ({problem})") from error

    def _array(self, frame: Any) -> NDArray[np.uint8]:
        turns = round(getattr(frame, "rotation", 0) / 90) % 4  # decord turns frames as they are meant to be seen
        width, height = self.size or (None, None)
        if turns % 2:
            width, height = height, width
        array = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA")
        return np.ascontiguousarray(np.rot90(array, turns))
