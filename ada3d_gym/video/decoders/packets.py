"""What a file's packets say without being decoded: which frames there are, whether the end is missing, and whether
decord finds frames by number."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import av
import av.error
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from ada3d_gym.video.indexing.ends import is_cut, lacks_frames, shortage
from ada3d_gym.video.indexing.progress import advance
from ada3d_gym.video.records import NumberingError, TruncatedError, VideoError
from ada3d_gym.video.sources import Part, Source, file_of, opened_source, small_file

UNREADABLE = (av.error.FFmpegError, OSError, ValueError, IndexError)  # all that PyAV was seen to raise on bad files
_TIMED = {"mov", "matroska", "flv"}  # MP4 and QuickTime, Matroska and WebM, Flash: elsewhere FFmpeg guesses at times
_PACKED = 1  # form of packed packets
_HEAD = struct.Struct("<?d")  # whether numbers have 32 bits, not 64; the tick
_DURATION_IN_HEADER = {"matroska", "avi", "flv", "asf"}  # elsewhere FFmpeg takes it from what is there, or guesses


@dataclass(frozen=True)
class Packets:
    """The frames of a video stream.

    Attributes:
        times: of the frames that are shown, in the stream's time base, rising; empty where the container does not hold
            the time of each frame (AVI, WMV, MPEG streams).
        keys: those of the key frames.
        rate: frames a second, on average; 0 where the file does not say.
        seekable: decord finds the frames of this file by their numbers. It takes a frame's place among the packets for
            its number, and after a seek it counts from the key frame. That fails, silently, where frames that are shown
            before a key frame follow it in the file (open groups of pictures: x265's default; MPEG-4 with B-frames),
            where an edit list hides packets (a video cut without encoding it anew), and in AVI, WMV and MPEG streams.
            Where a file has several video streams (a cover picture is one), it may take another one.
        tick: what times count, in seconds.
        deep: colours have more than 8 bits, of which decord makes other pixels than PyAV where it does not scale.
    """

    times: NDArray[np.int64]
    keys: NDArray[np.int64]
    rate: float
    seekable: bool
    tick: float
    deep: bool = False

    def pack(self) -> bytes:
        """What a clip is read by, in some 30 to 60 bytes where frames are evenly spaced.

        Numbers are kept as steps from one to the next, which repeat, and those are compressed. The rate is not kept.
        """
        head = [_PACKED, self.seekable + 2 * self.deep, len(self.times)]
        steps = [np.diff(part, prepend=0) for part in (self.times, self.keys)]
        numbers = np.concatenate([np.array(head, np.int64), *steps])
        ends = np.iinfo(np.int32)
        narrow = bool(ends.min <= numbers.min() and numbers.max() <= ends.max)
        kind = "<i4" if narrow else "<i8"
        return _HEAD.pack(narrow, self.tick) + zlib.compress(numbers.astype(kind).tobytes(), 9)

    def seconds(self) -> NDArray[np.float64] | None:
        """(N,) of each frame that is shown from the first one, however far apart they are (phones vary that).

        None where the container does not hold them.
        """
        if not len(self.times):
            return None
        seconds: NDArray[np.float64] = (self.times - self.times[0]) * self.tick
        return seconds

    @classmethod
    def unpack(cls, packed: bytes) -> Packets:
        """What `pack` made, without the rate.

        Raises:
            ValueError: for anything else.
        """
        try:
            narrow, tick = _HEAD.unpack_from(packed)
            numbers = np.frombuffer(zlib.decompress(packed[_HEAD.size :]), "<i4" if narrow else "<i8")
            version, flags, count = numbers[:3].tolist()
        except (zlib.error, struct.error) as error:
            raise ValueError("no packed packets") from error
        if version != _PACKED or not 0 <= count <= len(numbers) - 3:
            raise ValueError(f"packets packed in form {version}")
        steps = numbers[3 : 3 + count], numbers[3 + count :]
        times, keys = (part.cumsum(dtype=np.int64) for part in steps)
        return cls(times, keys, 0.0, bool(flags & 1), tick, bool(flags & 2))


@contextmanager
def opened(path: Source, *, at_once: bool = False) -> Iterator[tuple[Any, Any]]:
    """A video's container and the stream to decode.

    Args:
        path: of the file, or where in a file it is.
        at_once: read a small file in one go, one that is known to be a video with all its frames in it.

    Raises:
        VideoError: if the file cannot be opened or read, inside the block too; a picture is no video.
    """
    try:
        # An absolute path is no protocol's address ("a:b.mp4"). Tags in another encoding say nothing about the video.
        with ExitStack() as stack:
            file: Any = str(file_of(path).absolute())
            if isinstance(path, Part):
                file = stack.enter_context(opened_source(path))
            elif at_once:
                file = small_file(path) or file
            container = stack.enter_context(av.open(file, metadata_errors="replace"))
            yield container, _video_stream(path, container)
    except UNREADABLE as error:
        problem = getattr(error, "strerror", None) or type(error).__name__
        raise VideoError(path, f"cannot be read as a video ({problem})") from error


def _video_stream(path: Source, container: Any) -> Any:
    """The stream that FFmpeg would show, but no cover picture."""
    streams = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
    if not streams or container.format.name.endswith(("_pipe", "image2")):
        raise VideoError(path, "holds no video stream")
    best = container.streams.best("video")
    return best if best in streams else streams[0]


def scan(path: Source) -> Packets:
    """Reads all packets of a file.

    Raises:
        NumberingError: if the first is no key frame.
        TruncatedError: if they end before the file's header says.
        VideoError: if the file cannot be read as a video.
    """
    times: list[Any] = []  # None where a packet has no time
    keys: list[Any] = []
    stamps: list[int] = []  # those, or else when packets are due to be decoded
    hidden = late = corrupt = False
    ends: dict[int, int] = {}  # of each stream, in its time base
    with opened(path) as (container, stream):
        kinds = set(container.format.name.split(","))
        timed = not _TIMED.isdisjoint(kinds)
        every = not _DURATION_IN_HEADER.isdisjoint(kinds)  # which is that of the longest stream
        for packet in container.demux() if every else container.demux(stream):
            advance()
            if not packet.size:
                continue
            time = (packet.dts if packet.pts is None else packet.pts) or 0
            number = packet.stream.index
            ends[number] = max(ends.get(number, 0), time + (packet.duration or 0))
            if number != stream.index:
                continue
            if not keys and not packet.is_keyframe:
                raise NumberingError(path)
            if packet.is_keyframe:
                keys.append(packet.pts)
            stamps.append(time)
            corrupt |= packet.is_corrupt
            hidden |= packet.is_discard
            if not packet.is_discard:
                times.append(packet.pts)
            late |= None not in (packet.pts, keys[-1]) and packet.pts < keys[-1]
        if not times:
            raise VideoError(path, "holds no video frame")
        known = timed and None not in times and None not in keys and len(set(times)) == len(times)
        evenly = not kinds.isdisjoint({"avi", "asf"})  # their times are not those to show frames at, but as far apart
        rate, count = _rate(stream, stamps if known or evenly else []), len(stamps)
        cut = is_cut(path)
        short = "mov" in kinds and lacks_frames(stream, count, ends[stream.index], cut)
        if short or (corrupt and (timed or cut)):
            raise TruncatedError(path, f"breaks off after {count} of its {stream.frames or '?'} frames")
        seconds = {number: float(end * container.streams[number].time_base) for number, end in ends.items()}
        if every and (problem := shortage(container, stream, seconds, rate, cut)):
            raise TruncatedError(path, problem)
        several, tick = len(container.streams.video) > 1, float(stream.time_base)
        deep = any(part.bits > 8 for part in getattr(stream.codec_context.format, "components", ()))
    if not known:
        return Packets(np.empty(0, np.int64), np.empty(0, np.int64), rate, False, tick)
    seekable = not hidden and not late and not several
    return Packets(np.array(sorted(times), np.int64), np.array(sorted(keys), np.int64), rate, seekable, tick, deep)


def _rate(stream: Any, stamps: list[int]) -> float:
    """Frames a second, 0 if unknown: what the file states, unless its times contradict that.

    AVI states the rate of its ticks, some of which are empty, and others that of a video before frames were left out.

    Args:
        stream: of the frames.
        stamps: their times in its time base, in any order; none where those are not known for certain.
    """
    stated = max(float(stream.average_rate or stream.guessed_rate or 0), 0.0)
    gaps = np.diff(np.unique(np.array(stamps, np.int64)))
    if not len(gaps):
        return stated
    gaps = gaps[gaps <= 1000 * np.median(gaps)]  # a longer one is a clock that was set
    measured = 1 / (float(gaps.mean()) * float(stream.time_base))
    return measured if abs(stated - measured) > 0.05 * measured else stated
