"""PyAV behind `Video`: slower, for files and systems that decord does not read, or not rightly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ada3d_gym.video.packets import UNREADABLE, Packets, scan, video_stream
from ada3d_gym.video.records import VideoError
from ada3d_gym.video.scaling import Scaler


class PyAVReader:
    """Frames are found by their times, decoding from the key frame before; where they have none, they are counted from
    the start of the file. Exact either way. No file is kept open between reads. See `Video`."""

    def __init__(self, path: Path, size: tuple[int, int] | None = None, packets: Packets | None = None):
        self.path, self.size, self._scaler = path, size, Scaler()
        packets = packets or scan(path)
        self.rate, self._times, self._keys = packets.rate, packets.times, packets.keys
        self._frames = len(self._times) or sum(1 for _ in self._decode())
        if not self._frames:
            raise VideoError(path, "holds no frame that can be decoded")

    def __len__(self) -> int:
        return self._frames

    def read(self, indices: list[int]) -> NDArray[np.uint8]:
        """Frames (n, H, W, 3)."""
        found = self._by_time(indices) if len(self._times) else self._by_counting(indices)
        if missing := sorted(set(indices) - found.keys()):
            raise VideoError(self.path, f"frames {missing} cannot be decoded")
        return np.stack([found[i] for i in indices])

    def _by_time(self, indices: list[int]) -> dict[int, NDArray[np.uint8]]:
        wanted = {int(self._times[i]): i for i in indices}
        # Frames from a key frame's time on need nothing before it, whatever follows it in the file.
        before = self._keys[self._keys <= min(wanted)]
        for start in (before[-1:], before[:0]):  # a seek may land too late: then from the start
            found: dict[int, NDArray[np.uint8]] = {}
            for frame in self._decode(int(start[0]) if len(start) else None):
                if frame.pts in wanted and not frame.is_corrupt:
                    found[wanted[frame.pts]] = self._array(frame)
                if frame.pts is not None and frame.pts >= max(wanted):
                    break
            if len(found) == len(wanted):
                break
        return found

    def _by_counting(self, indices: list[int]) -> dict[int, NDArray[np.uint8]]:
        wanted, last = set(indices), max(indices)
        found = {}
        for number, frame in enumerate(self._decode()):
            if number in wanted:
                found[number] = self._array(frame)
            if number == last:
                break
        return found

    def _decode(self, start: int | None = None) -> Iterator[Any]:
        try:
            with av.open(str(self.path)) as container:
                stream = video_stream(self.path, container)
                if start is not None:
                    container.seek(start, stream=stream)
                yield from container.decode(stream)
        except UNREADABLE as error:
            problem = getattr(error, "strerror", None) or type(error).__name__
            raise VideoError(self.path, f"cannot be decoded ({problem})") from error

    def _array(self, frame: Any) -> NDArray[np.uint8]:
        turns = round(getattr(frame, "rotation", 0) / 90) % 4  # decord turns frames as they are meant to be seen
        width, height = self.size or (None, None)
        if turns % 2:
            width, height = height, width
        array = self._scaler(frame, width or frame.width, height or frame.height)
        return np.ascontiguousarray(np.rot90(array, turns))
