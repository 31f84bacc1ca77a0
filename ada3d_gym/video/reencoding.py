"""Videos made small and quick to seek in: scaled to the side that is used, with key frames close together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from ada3d_gym.video.decoders.packets import Packets, opened, scan
from ada3d_gym.video.indexing.progress import advance
from ada3d_gym.video.records import VideoError
from ada3d_gym.video.scaling import Scaler
from ada3d_gym.video.sources import Source

# With mbtree, x264's rate control would differ from run to run; without closed groups, decord would count wrongly.
_X264 = "mbtree=0:open-gop=0:bframes=7:b-adapt=0:b-pyramid=none"
UNKNOWN_RATE = 25.0  # frames a second, where nothing tells


@dataclass(frozen=True)
class Encoding:
    """H.264 as x264 writes it, without sound, and so that clips with gaps between their frames cost little.

    Of eight frames in a row, seven are such as no other is predicted from (B-frames): those that no clip asks for are
    never decoded. What takes long to decode (arithmetic coding, the filter that smooths blocks) is left out: files are
    a little larger for it.

    Attributes:
        short_side: that frames are scaled down to, in pixels, rounded to even numbers; smaller ones stay as they are.
        key_frames: how far apart those are at the most, in frames. What leads from one to a clip is decoded in vain.
        crf: x264's constant rate factor: lower is better and larger; its default is 23.
        preset: x264's: how long it may search for what makes files small.
    """

    short_side: int = 256
    key_frames: int = 32
    crf: int = 20
    preset: str = "veryfast"

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) that frames of this size get."""
        scale = min(1.0, self.short_side / min(width, height))
        wide, high = (max(2, 2 * round(scale * side / 2)) for side in (width, height))
        return wide, high


def reencode(source: Source, target: Path, encoding: Encoding, rate: float = 0.0) -> tuple[int, int, int]:
    """Writes a video anew, frame by frame: frame n of the one is frame n of the other, at the same time.

    What a note in the file turns is turned. The same video gives the same bytes in every process.

    Args:
        source: of the video.
        target: an MP4 file.
        encoding: how.
        rate: frames a second, where it is known. Frames keep their own times, where they have them.

    Returns:
        How many frames there are, and their width and height.

    Raises:
        VideoError: where it cannot be read to its end.
    """
    make, count, shape = _Scaled(), 0, (0, 0)
    options = {"fflags": "+bitexact", "movflags": "+faststart"}
    with av.open(str(target), "w", format="mp4", options=options) as output:
        stream: Any = None
        packets = scan(source)
        rate = rate or packets.rate or UNKNOWN_RATE
        for frame, time, base in _frames(source, packets, rate):
            if stream is None:
                shape = encoding.size(*_turned(frame.width, frame.height, _turns(frame)))
            scaled = make(frame, shape)
            if stream is None:
                stream = _stream(output, encoding, scaled, rate, base)
            scaled.pts, scaled.time_base, scaled.pict_type = time, base, 0
            output.mux(stream.encode(scaled))
            count += 1
        if stream is None:
            raise VideoError(source, "holds no frame that can be decoded")
        output.mux(stream.encode())
    return count, *shape


def _stream(output: Any, encoding: Encoding, like: Any, rate: float, base: Fraction) -> Any:
    stream = output.add_stream("libx264", rate=_fraction(rate))
    stream.width, stream.height = like.width, like.height
    stream.pix_fmt, stream.thread_count = "yuv420p", 1
    stream.time_base = stream.codec_context.time_base = base
    for name in ("colorspace", "color_range", "color_primaries", "color_trc"):  # so that RGB is made of them alike
        setattr(stream.codec_context, name, int(getattr(like, name)))
    stream.options = {
        "preset": encoding.preset,
        "crf": str(encoding.crf),
        "g": str(encoding.key_frames),
        "tune": "fastdecode",
        "x264-params": _X264,
    }
    return stream


def _frames(source: Source, packets: Packets, rate: float) -> Iterator[tuple[Any, int, Fraction]]:
    """All frames in their order, each with its time from the first one's and what that counts, in seconds."""
    shown = set(packets.times.tolist())
    first = int(packets.times[0]) if shown else 0
    with opened(source) as (container, stream):
        stream.codec_context.thread_count = 1
        found = 0
        for frame in container.decode(stream):
            advance()
            if frame.is_corrupt:
                raise VideoError(source, f"frame {found} is damaged")
            if shown and frame.pts not in shown:
                continue
            if shown:
                yield frame, frame.pts - first, stream.time_base
            else:
                yield frame, found, 1 / _fraction(rate)
            found += 1
    if shown and found < len(shown):
        raise VideoError(source, f"only {found} of its {len(shown)} frames can be decoded")


def _fraction(rate: float) -> Fraction:
    """Of frames a second, as files have it: 30000/1001, not 29.97."""
    return Fraction(rate).limit_denominator(1001)


class _Scaled:
    """Frames as the encoder wants them, upright."""

    def __init__(self) -> None:
        self._yuv, self._rgb = Scaler("yuv420p", "bicubic"), Scaler("rgb24", "bicubic")

    def __call__(self, frame: Any, shape: tuple[int, int]) -> Any:
        if turns := _turns(frame):
            pixels = np.rot90(self._rgb(frame, *_turned(*shape, turns)), turns)
            base = frame.time_base
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.time_base = base
        return self._yuv.scaled(frame, *shape)


def _turns(frame: Any) -> int:
    """By 90 degrees, against the clock, until a frame is upright."""
    return round(getattr(frame, "rotation", 0) / 90) % 4


def _turned(width: int, height: int, turns: int) -> tuple[int, int]:
    return (height, width) if turns % 2 else (width, height)
