"""A folder of class folders with small real videos, drawn once for all tests of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from ada3d_gym.video.motionshapes.drawing import draw
from ada3d_gym.video.motionshapes.files import FPS, write_video

LABELS = {"a texture": 0, "circles": 4, "moving": 8}
VIDEOS = 6  # of each class


@pytest.fixture(scope="session")
def drawn(session_folder: Path) -> Path:
    """Not to be changed."""
    folder = session_folder / "drawn"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            for name, label in LABELS.items():
                for number in range(VIDEOS):
                    path = folder / name / f"day {number % 2}" / f"clip, {number}.mp4"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_video(path, draw(label, np.random.default_rng((label, number))).frames, FPS)
    return folder


@pytest.fixture
def videos(drawn: Path, tmp_path: Path) -> Path:
    """A copy."""
    return Path(shutil.copytree(drawn, tmp_path / "videos"))


@pytest.fixture
def a_video(drawn: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Puts a video of its own, at a path below the test's folder."""
    placed = []

    def put(path: str) -> Path:
        source = sorted(drawn.rglob("*.mp4"))[len(placed)]
        placed.append(path)
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        return target

    return put
