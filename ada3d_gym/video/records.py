"""What the package knows about a video before opening it, and what can be wrong with one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class VideoError(RuntimeError):
    """A video file that is missing, damaged, or not what its index says.

    The message names the file, what was expected and what to do. Never raised for a caller's mistake.
    """

    def __init__(self, path: Path | str, problem: str, remedy: str = "replace the file or drop it from the list"):
        super().__init__(f"{path}: {problem}; {remedy}")
        self.path = Path(path)
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[VideoError], tuple[Path, str, str]]:
        return type(self), (self.path, self.problem, self.remedy)  # survives a worker process


@dataclass(frozen=True)
class VideoRecord:
    """One video of a data set.

    Attributes:
        path: the encoded file.
        labels: class indices, in `[0, C)`; more than one for multi-label sets.
        frames: number of frames, or 0 where it is not known before opening.
        sha256: hex digest that a damaged file is found by, or `""` where none is known.
        family: the kind of class (MotionShapes: scene, object, motion), or `""`.
        visible: half-open frame range `(first, last + 1)` in which the class can be seen, or None where it is
            not known.
    """

    path: Path
    labels: tuple[int, ...]
    frames: int = 0
    sha256: str = ""
    family: str = ""
    visible: tuple[int, int] | None = None
