"""Whether a file holds as much as its own headers say, for the containers that say so."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, BinaryIO

from ada3d_gym.video.sources import Source, opened_source

_SLACK = 16  # bytes: some programs count an AVI's own header, or a byte of padding, into its size
_TAIL = 4096  # bytes: a download that is not finished ends in zeros, where room was made for it beforehand
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ASF_EMPTY = 50  # bytes of a data object without any packet, as it is in a recording that nobody has finished
_EBML_HEADER, _EBML_SEGMENT = bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067")


def is_cut(path: Source) -> bool | None:
    """True if the file ends before its outermost element does, or in zeros; False if that element is whole.

    None where that is not known: the container has no such sizes (MPEG streams, FLV), or they were never written (live
    recordings).

    Raises:
        OSError: if it cannot be read.
    """
    with opened_source(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        begin = file.read(16)
        end = next((find(file, size) for is_it, find in _CONTAINERS if is_it(begin)), None)
        if end is None:
            return None
        if end > size + _SLACK:
            return True
        file.seek(max(0, size - _TAIL))
        return not any(file.read(_TAIL))


def lacks_frames(stream: Any, count: int, end: int, cut: bool | None) -> bool:
    """Whether an MP4 or QuickTime stream has fewer packets than its header lists, not counting what an edit list hides.

    Args:
        stream: of the frames.
        count: of its packets.
        end: of the last, in its time base.
        cut: see `is_cut`; all that is known of a stream in fragments, which no header lists.
    """
    if count > stream.frames:
        return bool(cut)
    if not stream.duration or count == stream.frames:
        return False
    return bool(end < (stream.start_time or 0) + stream.duration * (1 - 1 / stream.frames))


def shortage(container: Any, stream: Any, ends: dict[int, float], rate: float, cut: bool | None) -> str:
    """What is missing at the end of a file whose header says how long it is, in words; "" for nothing.

    Args:
        container, stream: as FFmpeg reads them.
        ends: of the packets of each stream, by its number, in seconds.
        rate: frames a second, or 0.
        cut: see `is_cut`. In Matroska, bytes that are there may be none of a frame, so the time is compared even so.
    """
    # AVI and ASF may go on at the end without frames (AVI counts its empty ticks), or have an unfinished header.
    if not cut and container.format.name in ("avi", "asf"):
        return ""
    whole = container.duration / 1e6 if container.duration else 0.0
    own = _own_duration(stream, whole)
    frame = 1 / rate if rate else 0.1
    # Where no bytes are known to be missing, times are taken roughly: they may have been added later, by a clock.
    slack = frame / 2 if cut else max(2 * frame, min(0.05 * whole, 1.0))
    reached, due = (ends[stream.index], own) if own else (max(ends.values()), whole)
    if due and reached < due - slack:
        return f"breaks off at {reached:.2f} of its {due:.2f} s"
    return f"breaks off at {reached:.2f} s, before its header says" if cut and not due else ""


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


def _matroska_end(file: BinaryIO, size: int) -> int | None:
    place = 0
    for name in (_EBML_HEADER, _EBML_SEGMENT):
        file.seek(place)
        head = file.read(12)
        if head[:4] != name or len(head) < 12 or not head[4]:
            return None
        width = 9 - head[4].bit_length()  # leading zero bits say how many bytes the size takes
        length = int.from_bytes(head[4 : 4 + width], "big") - (1 << 7 * width)
        if length == (1 << 7 * width) - 1:  # all ones: not known
            return None
        place += 4 + width + length
    return place


def _riff_end(file: BinaryIO, size: int) -> int | None:
    place = 0
    while place + 12 <= size:  # one of up to 4 GiB after another
        file.seek(place)
        head = file.read(12)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF" or head[8:11] != b"AVI":
            break
        if length in (0, 2**32 - 1):
            return None
        place += 8 + length + length % 2
    return place


def _asf_end(file: BinaryIO, size: int) -> int | None:
    place = 0
    for name in (_ASF_HEADER, _ASF_DATA):  # an index may follow
        file.seek(place)
        head = file.read(24)
        length = int.from_bytes(head[16:], "little")
        if head[:16] != name or length <= _ASF_EMPTY:
            return None
        place += length
    return place


def _mp4_end(file: BinaryIO, size: int) -> int | None:
    place = 0
    while place + 8 <= size:
        file.seek(place)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if length < 8:  # 0: to the end of the file, wherever that is
            return None
        if place + length > size and head[4:8] not in (b"moov", b"moof", b"mdat"):
            break  # it holds no frames, nor says where they are
        place += length
    return place


_CONTAINERS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO, int], int | None]], ...] = (
    (lambda begin: begin[:4] == _EBML_HEADER, _matroska_end),
    (lambda begin: begin[:4] == b"RIFF" and begin[8:12] == b"AVI ", _riff_end),
    (lambda begin: begin == _ASF_HEADER, _asf_end),
    (lambda begin: begin[4:8] in (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free"), _mp4_end),
)
