"""What can be asked about: video files by path, folder or glob, and arrays of frames."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.video.indexing.list_text import EXTENSIONS, has_extension

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Nothing:
    """What was asked for and stands for no video: its name, and what is wrong."""

    name: str
    problem: str


@dataclass(frozen=True)
class FrameArray:
    """A video's frames (N, H, W, 3) uint8 RGB, and what it is called."""

    name: str
    frames: Frames


Video = Path | FrameArray | Nothing
Videos: TypeAlias = "str | os.PathLike[str] | Frames | Video | Iterable[Videos]"


def find_videos(videos: Videos) -> list[Video]:
    """Each video that is meant, in order.

    Args:
        videos: a file; a folder, for all files below it that have a video's extension, sorted by path; a glob such as
            "clips/**/*.mp4", sorted too; an array (N, H, W, 3) uint8 of one video's frames, or (V, N, H, W, 3) of
            several; what this function has returned; or an iterable of all these.

    Raises:
        InputError: for an array of another shape or dtype, and for what is neither.
    """
    found = list(_found(videos))
    numbers = iter(range(len(found)))
    return [FrameArray(f"array {next(numbers)}", each) if isinstance(each, np.ndarray) else each for each in found]


def _found(videos: Videos) -> Iterator[Video | Frames]:
    if isinstance(videos, Nothing | FrameArray):  # found before
        yield videos
    elif isinstance(videos, (str, os.PathLike)):
        yield from _files(os.fspath(videos))
    elif isinstance(videos, np.ndarray) or hasattr(videos, "__array__"):
        yield from _arrays(np.asarray(videos))
    elif isinstance(videos, Iterable):
        for each in videos:
            yield from _found(each)
    else:
        raise InputError(f"{type(videos).__name__} is no video: expected a path, a glob, an array of frames or a list")


def _files(name: str) -> Iterator[Path | Nothing]:
    path = Path(name)
    if not name:  # as of a shell's variable that is not set; the path would be the current folder
        yield Nothing("''", "is no name of a file")
    elif os.path.isdir(path):
        files = sorted(each for each in path.rglob("*") if has_extension(each.name) and each.is_file())
        visible = [each for each in files if not any(part.startswith(".") for part in each.relative_to(path).parts)]
        yield from visible
        if not visible:
            yield Nothing(name, f"is a folder without any video ({', '.join(EXTENSIONS)})")
    elif os.path.exists(path) or not glob.has_magic(name):
        yield path
    elif matches := sorted(glob.glob(name, recursive=True)):
        for match in matches:
            if os.path.isfile(match):
                yield Path(match)
            elif not any(Path(match) in Path(other).parents for other in matches):  # "**" names folders, too
                yield from _files(match)
    else:
        yield Nothing(name, "matches no file")


def _arrays(array: Frames) -> Iterator[Frames]:
    if array.dtype != np.uint8 or array.ndim not in (4, 5) or array.shape[-1] != 3 or not array.size:
        raise InputError(
            f"array of {array.dtype} and shape {array.shape}: expected frames (N, H, W, 3) of uint8 RGB, or (V, N, H, "
            "W, 3) of several videos"
        )
    yield from [array] if array.ndim == 4 else array
