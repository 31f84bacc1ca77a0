"""What a file's packets say without being decoded: which frames there are, whether the end is missing, and whether
decord finds frames by number."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from ada3d_gym.video.ends import is_cut
from ada3d_gym.video.progress import advance
from ada3d_gym.video.records import NumberingError, TruncatedError, VideoError

UNREADABLE = (av.error.FFmpegError, OSError, ValueError, IndexError)  # all that PyAV was seen to raise on bad files
_TIMED = {"mov", "matroska", "flv"}  # MP4 and QuickTime, Matroska and WebM, Flash: elsewhere FFmpeg guesses at times
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
    """

    times: NDArray[np.int64]
    keys: NDArray[np.int64]
    rate: float
    seekable: bool


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """A file's container and the stream to decode.

    Raises:
        VideoError: if the file cannot be opened or read, inside the block too; a picture is no video.
    """
    try:
        # An absolute path is no protocol's address ("a:b.mp4"). Tags in another encoding say nothing about the video.
        with av.open(str(path.absolute()), metadata_errors="replace") as container:
            yield container, _video_stream(path, container)
    except UNREADABLE as error:
        problem = getattr(error, "strerror", None) or type(error).__name__
        raise VideoError(path, f"cannot be read as a video ({problem})") from error


def _video_stream(path: Path, container: Any) -> Any:
    """The stream that FFmpeg would show, but no cover picture."""
    streams = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
    if not streams or container.format.name.endswith(("_pipe", "image2")):
        raise VideoError(path, "holds no video stream")
    best = container.streams.best("video")
    return best if best in streams else streams[0]


def scan(path: Path) -> Packets:
    """Reads all packets of a file.

    Raises:
        NumberingError: if the first is no key frame.
        TruncatedError: if they end before the file's header says.
        VideoError: if the file cannot be read as a video.
    """
    times: list[Any] = []  # None where a packet has no time
    keys: list[Any] = []
    count, begin, latest, end = 0, math.inf, -math.inf, 0
    hidden = late = corrupt = False
    last = 0.0  # end of the stream that lasts longest, in seconds
    with opened(path) as (container, stream):
        kinds = set(container.format.name.split(","))
        timed = not _TIMED.isdisjoint(kinds)
        every = not _DURATION_IN_HEADER.isdisjoint(kinds)  # which is that of the longest stream
        for packet in container.demux() if every else container.demux(stream):
            advance()
            if not packet.size:
                continue
            time = packet.dts if packet.pts is None else packet.pts
            if time is not None and packet.time_base:
                last = max(last, float((time + (packet.duration or 0)) * packet.time_base))
            if packet.stream_index != stream.index:
                continue
            if not keys and not packet.is_keyframe:
                raise NumberingError(path)
            if packet.is_keyframe:
                keys.append(packet.pts)
            count, end = count + 1, max(end, (time or 0) + (packet.duration or 0))
            begin, latest = min(begin, time or 0), max(latest, time or 0)
            corrupt |= packet.is_corrupt
            hidden |= packet.is_discard
            if not packet.is_discard:
                times.append(packet.pts)
            late |= None not in (packet.pts, keys[-1]) and packet.pts < keys[-1]
        if not times:
            raise VideoError(path, "holds no video frame")
        known = timed and None not in times and None not in keys and len(set(times)) == len(times)
        exact = known or not kinds.isdisjoint(
            {"avi", "asf"}
        )  # which hold times, only not always those to show frames at
        rate = _rate(stream, count, float((latest - begin) * stream.time_base) if exact else 0.0)
        cut = is_cut(path)
        if corrupt and (timed or cut):
            raise TruncatedError(path, f"breaks off after {count} of its {stream.frames or '?'} frames")
        if "mov" in kinds:
            if stream.duration and count < stream.frames:  # fewer also where an edit list hides the beginning
                due = (stream.start_time or 0) + stream.duration * (1 - 1 / stream.frames)
                if end < due:
                    raise TruncatedError(path, f"breaks off after {count} of its {stream.frames} frames")
        elif every:
            _check_end(path, container, stream, float(end * stream.time_base), last, rate, cut)
        several = len(container.streams.video) > 1
    if not known:
        return Packets(np.empty(0, np.int64), np.empty(0, np.int64), rate, False)
    seekable = not hidden and not late and not several
    return Packets(np.array(sorted(times), np.int64), np.array(sorted(keys), np.int64), rate, seekable)


def _check_end(path: Path, container: Any, stream: Any, end: float, last: float, rate: float, cut: bool | None) -> None:
    """Raises TruncatedError if a file ends before its header says.

    Args:
        end: of the video stream, in seconds.
        last: end of the stream that lasts longest.
        rate: frames a second, or 0.
        cut: see `is_cut`. A file that holds all its bytes holds all its frames, whatever its header says of the time.
    """
    if cut is False or (cut is None and container.format.name == "avi"):  # whose sizes are all written at its end
        return
    whole = container.duration / 1e6 if container.duration else 0.0
    own = _own_duration(stream, whole)
    frame = 1 / rate if rate else 0.1
    # Without a cut that is known of, times are taken roughly: programs that add a duration later measure it by a clock.
    slack = frame / 2 if cut else max(2 * frame, min(0.05 * whole, 1.0))
    reached, due = (end, own) if own else (last, whole)
    if due and reached < due - slack:
        raise TruncatedError(path, f"breaks off at {reached:.2f} of its {due:.2f} s")
    if cut and not due:
        raise TruncatedError(path, f"breaks off at {reached:.2f} s, before its header says")


def _own_duration(stream: Any, whole: float) -> float:
    """What the header says of the end of the video stream alone, in seconds; 0 if nothing.

    Args:
        stream: of the frames.
        whole: duration of the longest stream; one that is longer is left over from another file.
    """
    if match := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", "")):  # Matroska
        hours, minutes, seconds = (float(part) for part in match.groups())
        own = 3600 * hours + 60 * minutes + seconds
        return own if own < whole + 0.001 else 0.0
    return float(stream.frames * stream.time_base)  # AVI counts in ticks; 0 in others


def _rate(stream: Any, count: int, seconds: float) -> float:
    """Frames a second, 0 if unknown: what the file states, unless its times contradict that.

    AVI states the rate of its ticks, some of which are empty, and others that of a video before frames were left out.

    Args:
        stream: of the frames.
        count: of the packets.
        seconds: between the first and the last, 0 if that is not known for certain.
    """
    stated = max(float(stream.average_rate or stream.guessed_rate or 0), 0.0)
    measured = (count - 1) / seconds if seconds > 0 else 0.0
    return measured if abs(stated - measured) > 0.05 * measured > 0 else stated
