"""A suite of two tasks on outcome tables of its own, small enough that a run takes a fraction of a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from ada3d_gym.experiments.benchmark.suite import Suite, read_suite
from ada3d_gym.outcomes.identity import clips_sha256
from ada3d_gym.outcomes.table import OutcomeTable, load_table
from ada3d_gym.shipped import shipped_table

VIDEOS = 28
SUITE = f"""
name: small
pulls: 840
tasks:
  - env: Ada3D-MotionShapes-SlowOnly-v1
    gamma: [2.0, 6.0]
    outcomes: train.safetensors
    val_outcomes: val.safetensors
    test_outcomes: test.safetensors
    environment: {{videos: {VIDEOS}}}
"""


@pytest.fixture(scope="session")
def suite_path(cache_folder: Path, session_folder: Path) -> Path:
    """Its file, the tables beside it."""
    path = session_folder / "small-suite" / "suite.yaml"
    path.parent.mkdir(exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            for split in ("train", "val", "test"):
                shipped = load_table(shipped_table("motionshapes", "slowonly_tiny", 8, split))
                _first_videos(shipped, VIDEOS).save(path.with_name(f"{split}.safetensors"))
            path.write_text(SUITE)
    return path


@pytest.fixture
def suite(suite_path: Path) -> Suite:
    return read_suite(str(suite_path))


def _first_videos(table: OutcomeTable, videos: int) -> OutcomeTable:
    """The table of the first videos of a split, all of which can be decoded."""
    about, arrays = table.about, {name: np.array(values) for name, values in table.arrays.items()}
    clips = int((arrays["clip"] < videos * about.views).sum())
    for name in ("correct", "clip", "family"):
        arrays[name] = arrays[name][:clips]
    for start, *parts in (("label_start", "label"), ("close_start", "close_mask", "close_margin")):
        arrays[start] = arrays[start][: clips + 1]
        for name in parts:
            arrays[name] = arrays[name][: arrays[start][-1]]
    arrays["video"], arrays["optimum"] = arrays["video"][:videos], np.zeros((0, clips), np.uint16)
    digest = clips_sha256(dict(about.sampling), arrays["video"])
    return OutcomeTable(replace(about, videos=videos, clips_sha256=digest, optima=()), arrays)
