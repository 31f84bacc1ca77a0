"""What the package knows about a video before opening it, and what can be wrong with one."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.errors import Ada3DError
from ada3d_gym.video.sources import Part, Source

REMEDY = "replace the file or drop it from the list"


def shown(path: Source | str) -> str:
    """A path on one line that any output takes: bytes that are no text in this system's encoding, line breaks and other
    control characters are written as escapes."""
    unprintable = {"Cc", "Cs"}  # control characters; what stands for bytes that could not be decoded
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in unprintable else char
        for char in str(path)
    )


class VideoError(Ada3DError, RuntimeError):
    """A video file that is missing, damaged, or not what its index says.

    The message names the file, what was expected and what to do. Never raised for a caller's mistake.
    """

    def __init__(self, path: Source | str, problem: str, remedy: str = REMEDY):
        super().__init__(f"{shown(path)}: {problem}; {remedy}")
        self.path = Path(path)
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[VideoError], tuple[Path, str, str]]:
        return type(self), (self.path, self.problem, self.remedy)  # survives a worker process


class NumberingError(VideoError):
    """A video that can be decoded, but not so that its frames have numbers."""

    def __init__(self, path: Source | str, problem: str = "", remedy: str = REMEDY):
        super().__init__(path, problem or "does not start with a key frame, so its frames cannot be numbered", remedy)


class TruncatedError(VideoError):
    """A video whose end is missing."""


@dataclass(frozen=True)
class VideoRecord:
    """One video of a data set.

    Attributes:
        path: the encoded file, or what a part of a file is called.
        labels: class indices, in `[0, C)`; more than one for multi-label sets.
        frames: number of frames, or 0 where it is not known before opening.
        sha256: hex digest that a damaged file is found by, or `""` where none is known.
        size: of the file in bytes, or 0 where it is not known before opening.
        width, height: as shown, in pixels, or 0 where they are not known before opening.
        rate: frames a second, or 0 where it is not known before opening, or the file does not say.
        seekable: whether decord finds frames by their numbers (see `packets.Packets`), or None where that is not known
            before opening.
        family: the kind of class (MotionShapes: scene, object, motion), or `""`.
        visible: half-open frame range `(first, last + 1)` in which the class can be seen, or None where it is
            not known.
        speed: of a motion (MotionShapes: slow, fast), or `""`.
        windows: half-open frame ranges within `visible`, where the class can be seen in these only.
        packets: which frames the file holds, packed (`packets.Packets`), so that a clip is read without looking for
            them; empty where that is not known before opening.
        changed: when the file was changed last (nanoseconds since 1970), or 0 where it is not known before opening.
        part: where the bytes are, for a video that has no file of its own; `path` is then that of the part.
    """

    path: Path
    labels: tuple[int, ...]
    frames: int = 0
    sha256: str = ""
    size: int = 0
    width: int = 0
    height: int = 0
    rate: float = 0.0
    seekable: bool | None = None
    family: str = ""
    visible: tuple[int, int] | None = None
    speed: str = ""
    windows: tuple[tuple[int, int], ...] = ()
    packets: bytes = field(default=b"", repr=False)
    changed: int = 0
    part: Part | None = None

    @property
    def source(self) -> Source:
        """Where the bytes are."""
        return self.part or self.path

    def shows_class(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the frames with these numbers show the class; all, where it is not known."""
        if self.visible is None:
            return np.ones(numbers.shape, np.bool_)
        shown = np.zeros(numbers.shape, np.bool_)
        for first, end in self.windows or (self.visible,):
            shown |= (first <= numbers) & (numbers < end)
        return shown


def scaled_size(record: VideoRecord, short_side: int) -> tuple[int, int] | None:
    """The (width, height) to decode at, so that no larger frames are made; None for small or unknown frames."""
    short = min(record.width, record.height)
    if short <= short_side:
        return None
    width, height = (int(side * short_side / short) for side in (record.width, record.height))
    return width, height
