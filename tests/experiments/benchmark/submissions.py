"""Submissions of masks that were drawn at random, and what tampering does to their files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ada3d_gym.experiments.benchmark.games import task_game
from ada3d_gym.experiments.benchmark.record import pack_masks, unpack_masks
from ada3d_gym.experiments.benchmark.submission import earned, find_task
from ada3d_gym.experiments.benchmark.submit import MaskRun, write_submission

SUITE = "quick"
TASK = find_task(SUITE, "motionshapes-slowonly-8-usage-gamma6")
GAME = task_game(TASK, "test")
LENGTH = GAME.table.num_frames + GAME.table.num_stages
Content = dict[str, Any]


def random_masks(seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 2, (len(GAME), LENGTH))


def write(path: Path, **given: Any) -> Path:
    runs = [MaskRun(random_masks(seed), seed=seed, pulls=100) for seed in (0, 1)]
    settings = {"suite": SUITE, "task": TASK.name, "agent": "mine", "feedback": "bandit", "macs_selection": 1000}
    write_submission(path, **{**settings, "runs": runs, **given})
    return path


def tampered(content: Content, path: Path, change: Callable[[Content], object]) -> Path:
    own = json.loads(json.dumps(content))
    change(own)
    path.write_text(json.dumps(own))
    return path


def flip_outcome(own: Content, clip: int, follow: bool = True) -> None:
    """Claims the other outcome of a clip, and where asked to, figures that follow from it."""
    run = own["runs"][0]
    masks, correct = unpack_masks(run["masks"], LENGTH), unpack_masks(run["correct"], len(GAME))[0].astype(bool)
    correct[clip] ^= True
    run["correct"] = pack_masks(correct[None])
    if follow:
        run["test"] = asdict(earned(GAME, masks, correct))
