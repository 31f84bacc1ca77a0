"""A set of ten classes: five told by the look of an object, five by its motion alone.

Sizes, shapes, rates, lengths, compression, light and the camera differ from video to video. A folder holds class
folders, and the lists train.csv, test.csv and classes.txt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ada3d_gym.experiments.own_fixtures import coloured, drawn
from ada3d_gym.experiments.own_fixtures.tracks import track
from ada3d_gym.experiments.own_fixtures.writing import Recording, each, record
from ada3d_gym.seeding import spawn

Style = Literal["a", "b"]
STYLES = {"a": coloured, "b": drawn}
VIDEOS = 120  # training videos of a class; a quarter as many more for the test


def classes(style: Style) -> tuple[str, ...]:
    """Names: five looks, then five motions."""
    return (*STYLES[style].LOOKS, *STYLES[style].MOTIONS)


@dataclass(frozen=True)
class Video:
    """One of the set: which, and where below the root."""

    label: int
    number: int
    path: str


def ten(root: Path, videos: int, style: Style, seed: int) -> None:
    """Writes the set.

    Args:
        root: of the folder.
        videos: of each class for training.
        style: of the drawings; a recipe found on one can be judged on the other.
        seed: of all videos, each of which depends on it, its class and number alone.
    """
    names = classes(style)
    test = -(-videos // 4)
    planned = [
        Video(label, number, f"{name}/{name}_{number:04d}.mp4")
        for label, name in enumerate(names)
        for number in range(videos + test)
    ]
    each(planned, lambda video: write(root / video.path, video, style, seed), f"drawing ten classes, style {style}")
    for split, meant in (("train", range(videos)), ("test", range(videos, videos + test))):
        rows = [f"{video.path} {video.label}\n" for video in planned if video.number in meant]
        (root / f"{split}.csv").write_text("".join(rows))
    (root / "classes.txt").write_text("\n".join(names) + "\n")


def write(path: Path, video: Video, style: Style, seed: int) -> None:
    """Writes one video of the set."""
    rng = np.random.default_rng(spawn(seed, ord(style), video.label, video.number))
    drawing = STYLES[style]
    shape = int(rng.integers(32, 49)) * 2, int(rng.integers(32, 49)) * 2  # 64 to 96, even as H.264 wants them
    rate = int(rng.choice([12, 15, 20, 24, 25, 30]))
    frames = int(rng.integers(32, 91))
    name = classes(style)[video.label]
    look = name if name in drawing.LOOKS else None
    way = track(str(rng.choice(["drifts", *drawing.MOTIONS])) if look else name, frames, rate, rng)
    if look in drawing.PART_TIME:
        way = way.part(rng)
    pictures = drawing.draw(look, way, shape, rate, rng)
    record(path, pictures, Recording(rate=rate, quality=int(rng.integers(24, 35))))
