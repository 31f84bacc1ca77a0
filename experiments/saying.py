"""What is printed while runs go on: by each process under the name of its run, where several go on at once."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ada3d_gym.progress import duration

CHIEF = ("reward", "correct", "frames", "stages")  # of an epoch's figures, those that are printed
MOST = 4  # figures of an epoch that has none of these


class TitledLines(io.TextIOWrapper):
    """A stream each line of which begins with what its process works on.

    No progress bars are drawn on it: those of several processes would cover each other. Each line is written at once.

    Args:
        stream: that it takes the place of.

    Attributes:
        title: of the lines to come.
    """

    def __init__(self, stream: Any):
        super().__init__(stream.buffer, stream.encoding, "backslashreplace", line_buffering=True)
        self._under = stream  # which would close the buffer with its own end
        self._inside = False  # a line
        self.title = ""

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        for line in text.splitlines(keepends=True):
            super().write(line if self._inside or not self.title or not line.strip() else f"[{self.title}] {line}")
            self._inside = not line.endswith("\n")
        return len(text)


def say(folder: Path, text: str) -> None:
    """Prints something about a run, with its folder's name unless the line has a title of its own."""
    print(text if getattr(sys.stdout, "title", "") else f"{folder.name}: {text}", flush=True)


def epoch_line(
    name: str, epoch: int, epochs: int, figures: Mapping[str, float], seconds: float, most: float = math.inf
) -> str:
    """What is printed of an epoch: its chief figures, and about how long the others will take.

    Args:
        name: of what is trained.
        epoch, epochs: done, and of how many.
        figures: of the epoch.
        seconds: that it took.
        most: seconds that the others may take; none are said to be left where it is 0.
    """
    chief = [key for key in CHIEF if key in figures] or list(figures)[:MOST]
    told = [f"{key} {figures[key]:.3g}" for key in chief] + [duration(seconds)]
    if epoch < epochs and most > 0:
        told.append(f"about {duration(min((epochs - epoch) * seconds, most))} left")
    return f"{name} epoch {epoch} of {epochs}: {', '.join(told)}"
