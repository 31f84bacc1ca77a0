"""How good a classifier is, and how much of that masks leave, which no policy has chosen."""

from __future__ import annotations

import numpy as np

from ada3d_gym.agents.reference import Fixed, Random
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.evaluation import Evaluation, evaluate
from ada3d_gym.seeding import spawn

EVERYTHING, SOME, FLAT, LEAST = (
    "everything (Upper)",
    "70 % of frames, 45 % of stages",
    "no stage (2D)",
    "one frame, no stage",
)


def under_masks(bandit: ClipBandit, seed: int, *names: str) -> dict[str, Evaluation]:
    """The bandit's classifier on all of its clips under masks that look at nothing, each named above."""
    frames, stages = bandit.num_frames, bandit.num_stages
    kinds: dict[str, Fixed | Random] = {
        EVERYTHING: Fixed.upper(frames, stages),
        SOME: Random(max(1.0, 0.7 * frames), np.full(stages, 0.45), frames, spawn(seed, 1)),
        FLAT: Fixed(np.ones(frames, np.bool_), np.zeros(stages, np.bool_)),
        LEAST: Random(1, np.zeros(stages), frames, spawn(seed, 2)),
    }
    return {name: evaluate(bandit, kinds[name].act, description=f"judging {name}") for name in names}
