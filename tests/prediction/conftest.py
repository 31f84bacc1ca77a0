"""Small runs of real videos, trained once a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from ada3d_gym.experiments.train import train
from tests.frugal import frugally

# Hardly trained, from masks whose bits are open, so that each clip has its own.
OPTIONS = ("epochs=1", "joint_epochs=0", "samples=2", "lr=1e-4", "trunk_lr=1e-5", "keep=0.5")


def trained(folder: Path, env: str, **options: Any) -> Path:
    """A run's folder, trained where no other process has done it."""
    with FileLock(folder.with_suffix(".lock")), frugally():
        train(env, output=folder, **options)
    return folder


@pytest.fixture(scope="session")
def shapes(cache_folder: Path, session_folder: Path) -> Path:
    """A run of REINFORCE on 14 videos of MotionShapes."""
    return trained(session_folder / "shapes-run", "Ada3D-MotionShapes-v1", videos=14, set=OPTIONS)


@pytest.fixture(scope="session")
def listed(sets: Path, session_folder: Path) -> Path:
    """One on a list of videos with four classes, decoded smaller than they are."""
    own = {"data_root": sets / "videos", "checkpoint": sets / "i3d_tiny.safetensors", "backbone": "i3d_tiny"}
    return trained(session_folder / "videos-run", "Ada3D-Videos-v0", size=40, classifier_epochs=0, set=OPTIONS, **own)


@pytest.fixture(scope="session")
def labelled(sets: Path, session_folder: Path) -> Path:
    """One on videos with several labels each, of the best of all constant masks."""
    own = {"data_root": sets / "fcvid", "checkpoint": sets / "i3d_tiny.safetensors", "backbone": "i3d_tiny"}
    options = {"agent": "fixed", "size": 32, "classifier_epochs": 0, "set": ("mask=0101000010011",)}
    return trained(session_folder / "fcvid-run", "Ada3D-FCVID-v0", **options, **own)
