"""Writes frames as videos in the containers, rates and orientations that cameras and phones write."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
from numpy.typing import NDArray

from ada3d_gym.progress import counted

T = TypeVar("T")
AT_ONCE = 2
_SAMPLES = 48_000  # of sound a second
_QUICK = {
    "libx264": {"preset": "veryfast", "x264-params": "mbtree=0"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "b": "0"},
    "mpeg4": {},
}


@dataclass(frozen=True)
class Recording:
    """How a video is written.

    Attributes:
        rate: frames a second; fractions as cameras have them.
        codec: FFmpeg's name of the encoder.
        quality: its quantiser: higher is coarser.
        size: (height, width) to scale the frames to; theirs by default.
        turned: quarter turns, counter-clockwise, by which a player turns the frames to show them upright: they are
            written turned the other way, and mp4 and mov files say so.
        kept: numbers of the frames that are written, each at its time, as phones do that skip some; all by default.
        sound: the encoder of a second track with a tone; none by default.
    """

    rate: Fraction | int
    codec: str = "libx264"
    quality: int = 28
    size: tuple[int, int] | None = None
    turned: int = 0
    kept: Sequence[int] | None = None
    sound: str | None = None


def each(things: Sequence[T], write: Callable[[T], None], title: str) -> None:
    """Writes things, some at once: NumPy and the encoders release Python's lock."""
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        jobs = [pool.submit(write, thing) for thing in things]
        for job in counted(as_completed(jobs), len(jobs), title, "video"):
            job.result()
    finally:
        pool.shutdown(cancel_futures=True)


def record(path: Path, frames: NDArray[np.uint8], recording: Recording) -> None:
    """Writes (F, H, W, 3) uint8 RGB frames; the name's ending is the container."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.rot90(frames, -recording.turned, axes=(1, 2))
    height, width = recording.size or frames.shape[1:3]
    if recording.size and recording.turned % 2:
        height, width = width, height
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream(recording.codec, rate=recording.rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_count = 1
        stream.options = {**_QUICK[recording.codec], "crf": str(recording.quality), "g": "30"}
        sound: Any = container.add_stream(recording.sound, rate=_SAMPLES) if recording.sound else None
        for number in range(len(frames)) if recording.kept is None else recording.kept:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frames[number]), format="rgb24")
            frame = frame.reformat(width, height, "yuv420p")
            frame.pts, frame.time_base = number, 1 / Fraction(recording.rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            _sound(container, sound, len(frames) / float(recording.rate))
    if recording.turned:
        _state_turn(path, recording.turned)


def _sound(container: Any, stream: Any, seconds: float) -> None:
    """A tone, in the frames that the encoder takes."""
    time = np.arange(int(seconds * _SAMPLES)) / _SAMPLES
    tone = (0.1 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[None]
    resampler = av.AudioResampler(stream.format, "mono", _SAMPLES, stream.codec_context.frame_size or 1024)
    frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
    frame.sample_rate, frame.pts = _SAMPLES, 0
    for part in (*resampler.resample(frame), *resampler.resample(None)):
        container.mux(stream.encode(part))
    container.mux(stream.encode())


def _state_turn(path: Path, turned: int) -> None:
    """Writes the matrix into the header of an mp4 or mov file's first track, by which players turn the frames.

    PyAV can do so itself from version 18 on, which needs a newer Python than we do.
    """
    content = bytearray(path.read_bytes())
    header = content.index(b"tkhd") + 4
    at = header + (52 if content[header] else 40)  # times of 64 bits in version 1
    c, s = {0: (1, 0), 1: (0, -1), 2: (-1, 0), 3: (0, 1)}[turned % 4]
    struct.pack_into(">9i", content, at, c << 16, s << 16, 0, -s << 16, c << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
