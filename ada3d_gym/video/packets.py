"""What a file's packets say without being decoded: which frames there are, and whether decord finds them by number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from ada3d_gym.video.records import NumberingError, TruncatedError, VideoError

UNREADABLE = (av.error.FFmpegError, OSError, ValueError, IndexError)  # all that PyAV was seen to raise on bad files
_TIMED = {"mov", "matroska", "flv"}  # MP4 and QuickTime, Matroska and WebM, Flash: elsewhere FFmpeg guesses at times


@dataclass(frozen=True)
class Packets:
    """The frames of a video stream.

    Attributes:
        times: of the frames that are shown, in the stream's time base, rising; empty where the container does not hold
            the time of each frame (AVI, WMV, MPEG streams).
        keys: those of the key frames.
        rate: frames a second, on average.
        seekable: decord finds the frames of this file by their numbers. It takes a frame's place among the packets for
            its number, and after a seek it counts from the key frame. That fails, silently, where frames that are shown
            before a key frame follow it in the file (open groups of pictures: x265's default; MPEG-4 with B-frames),
            where an edit list hides packets (a video cut without encoding it anew), and in AVI, WMV and MPEG streams.
    """

    times: NDArray[np.int64]
    keys: NDArray[np.int64]
    rate: float
    seekable: bool


def video_stream(path: Path, container: Any) -> Any:
    """The stream to decode, or a VideoError; a picture is no video."""
    if not container.streams.video or container.format.name.endswith(("_pipe", "image2")):
        raise VideoError(path, "holds no video stream")
    return container.streams.video[0]


def scan(path: Path) -> Packets:
    """Reads all packets of a file.

    Raises:
        NumberingError: if the first is no key frame.
        TruncatedError: if they end before the file's header says.
        VideoError: if the file cannot be read as a video.
    """
    times: list[Any] = []  # None where a packet has no time
    keys: list[Any] = []
    count = end = 0
    hidden = late = cut = False
    try:
        with av.open(str(path)) as container:
            stream = video_stream(path, container)
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                if not keys and not packet.is_keyframe:
                    raise NumberingError(path)
                if packet.is_keyframe:
                    keys.append(packet.pts)
                count, end = count + 1, max(end, (packet.pts or 0) + (packet.duration or 0))
                cut |= packet.is_corrupt
                hidden |= packet.is_discard
                if not packet.is_discard:
                    times.append(packet.pts)
                late |= None not in (packet.pts, keys[-1]) and packet.pts < keys[-1]
            rate = float(stream.average_rate or 0)
            if stream.duration and count < stream.frames:  # fewer also where an edit list hides the beginning
                cut |= end < (stream.start_time or 0) + stream.duration * (1 - 1 / stream.frames)
            timed = not _TIMED.isdisjoint(container.format.name.split(","))
            if cut and timed:
                raise TruncatedError(path, f"breaks off after {count} of its {stream.frames or '?'} frames")
    except UNREADABLE as error:
        problem = getattr(error, "strerror", None) or type(error).__name__
        raise VideoError(path, f"cannot be opened as a video ({problem})") from error
    if not times:
        raise VideoError(path, "holds no video frame")
    if not timed or None in times or None in keys or len(set(times)) < len(times):
        return Packets(np.empty(0, np.int64), np.empty(0, np.int64), rate, False)
    return Packets(np.array(sorted(times), np.int64), np.array(sorted(keys), np.int64), rate, not hidden and not late)
