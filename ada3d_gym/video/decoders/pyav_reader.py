"""PyAV behind `Video`: it decodes of a file what the frames that are asked for need, and nothing else."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from ada3d_gym.video.decoders.packets import Packets, opened, scan
from ada3d_gym.video.indexing.progress import advance
from ada3d_gym.video.records import VideoError
from ada3d_gym.video.scaling import Scaler
from ada3d_gym.video.sources import Source


class PyAVReader:
    """Frames are found by their times, decoding from the key frame before; where they have none, they are counted from
    the start of the file. Exact either way. No file is kept open between reads. See `Video`.

    Of the frames between those that are asked for, the ones that no other frame is predicted from (about half of what
    x264 writes) are never decoded: that changes no pixel of the others.

    Args:
        path: of the file, or where in a file it is.
        size: (width, height) to scale frames to.
        packets: of the file, where they are known.
        frames: how many there are, where that is known; otherwise, those without times are decoded to be counted.

    Attributes:
        rate: frames a second, or 0.
        counted: all frames have been decoded, so all can be.
    """

    def __init__(
        self, path: Source, size: tuple[int, int] | None = None, packets: Packets | None = None, frames: int = 0
    ):
        self.path, self.size, self._scaler = path, size, Scaler()
        packets = packets or scan(path)
        self.rate, self._times, self._keys = packets.rate, packets.times, packets.keys
        self.counted = not len(self._times) and not frames
        self._frames = sum(1 for _ in self._decode()) if self.counted else len(self._times) or frames
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
        found: dict[int, NDArray[np.uint8]] = {}
        for frames in (self._near(wanted), self._decode()):  # a seek may land too late: then all from the start
            for frame, shape in frames:
                if frame.pts in wanted and wanted[frame.pts] not in found and not frame.is_corrupt:
                    found[wanted[frame.pts]] = self._array(frame, shape)
                if len(found) == len(wanted) or (frame.pts is not None and frame.pts > max(wanted)):
                    break
            if len(found) == len(wanted):
                break
        return found

    def _near(self, wanted: Iterable[int]) -> Iterator[tuple[Any, tuple[int, int]]]:
        """Frames of these times and what leads to them, from the key frame before each on.

        Frames from a key frame's time on need nothing before it, whatever follows it in the file.
        """
        ordered = np.sort(np.array(list(wanted), np.int64))
        keys = np.searchsorted(self._keys, ordered, side="right") - 1
        with self._opened() as (container, stream, shape):
            for key, group in groupby(zip(keys.tolist(), ordered.tolist(), strict=True), key=lambda each: each[0]):
                times = {time for _, time in group}
                if key >= 0:
                    container.seek(int(self._keys[key]), stream=stream)
                for frame in _frames(container, stream, times):
                    yield frame, shape
                    if frame.pts is not None and frame.pts >= max(times):
                        break

    def _by_counting(self, indices: list[int]) -> dict[int, NDArray[np.uint8]]:
        wanted, last = set(indices), max(indices)
        found = {}
        for number, (frame, shape) in enumerate(self._decode()):
            if number in wanted:
                found[number] = self._array(frame, shape)
            if number == last:
                break
        return found

    def _decode(self) -> Iterator[tuple[Any, tuple[int, int]]]:
        """All frames, each with the (width, height) that the file opens with."""
        with self._opened() as (container, stream, shape):
            for frame in _frames(container, stream):
                yield frame, shape

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any, tuple[int, int]]]:
        """The container, its stream, and the (width, height) that it opens with: decoding may change them."""
        with opened(self.path, at_once=True) as (container, stream):
            stream.codec_context.thread_count = 1  # threads of its own cost a small video more than they save
            yield container, stream, (stream.codec_context.width, stream.codec_context.height)

    def _array(self, frame: Any, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Pixels (H, W, 3). Frames of another size than the first are scaled to it, as decord does."""
        turns = round(getattr(frame, "rotation", 0) / 90) % 4  # decord turns frames as they are meant to be seen
        width, height = self.size or shape
        if turns % 2 and self.size:
            width, height = height, width
        array = self._scaler(frame, width or frame.width, height or frame.height)
        return np.ascontiguousarray(np.rot90(array, turns))


def _frames(container: Any, stream: Any, wanted: Container[int] | None = None) -> Iterator[Any]:
    """Frames from where a container stands; only those of the `wanted` times and what these need, if any are given."""
    for packet in container.demux(stream):
        advance()
        if wanted is not None:
            needed = packet.pts is None or packet.pts in wanted
            stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
        try:
            frames = packet.decode()
        except FFmpegError:  # what came before the damage is still in the decoder, and is as good as ever
            for frame in stream.decode(None):
                frame.time_base = stream.time_base
                yield frame
            raise
        yield from frames
