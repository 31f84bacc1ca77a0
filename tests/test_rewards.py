"""Eq. 4 by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ada3d_gym.rewards import UsageReward


@pytest.mark.parametrize(
    ("correct", "u", "v", "gamma", "frames", "stages"),
    [
        (True, [1, 1, 1, 1], [1, 1], 1.0, 0.0, 0.0),
        (True, [1, 0, 0, 0], [0, 0], 1.0, 0.75, 1.0),
        (True, [1, 1, 0, 0], [1, 0], 1.0, 0.5, 0.75),
        (True, [1, 1, 0, 0], [1, 0, 0, 0, 0], 1.0, 0.5, 0.96),
        (False, [1, 1, 0, 0], [1, 0], 1.0, -1.0, -1.0),
        (False, [1, 0, 0, 0], [0, 0], 2.5, -2.5, -2.5),
        (False, [0, 0, 0, 0], [0, 0], 0.5, -0.5, -0.5),
        (False, [1, 1, 1, 1], [1, 1], 0.0, 0.0, 0.0),
    ],
)
def test_usage_reward(correct: bool, u: list[int], v: list[int], gamma: float, frames: float, stages: float):
    paid = UsageReward(gamma)(np.array([correct]), np.array([u], np.bool_), np.array([v], np.bool_))
    assert [head.tolist() for head in paid] == [[pytest.approx(frames)], [pytest.approx(stages)]]


def test_each_clip_of_a_batch_is_paid_for_itself():
    u = np.array([[1, 0], [1, 1], [1, 0]], np.bool_)
    v = np.array([[1, 1], [0, 0], [1, 1]], np.bool_)
    frames, stages = UsageReward(3)(np.array([True, True, False]), u, v)
    assert frames.tolist() == [0.5, 0, -3]
    assert stages.tolist() == [0, 1, -3]


@pytest.mark.parametrize("gamma", [-0.1, float("nan"), float("inf"), -float("inf")])
def test_a_gamma_that_is_no_penalty_is_refused(gamma: Any):
    with pytest.raises(ValueError, match=f"gamma={gamma}.*at least 0"):
        UsageReward(gamma)
