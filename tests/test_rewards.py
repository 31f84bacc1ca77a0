"""Eq. 4 by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ada3d_gym.rewards import Answers, MaskReward


def answers(
    correct: list[bool],
    *,
    u: list[list[int]],
    v: list[list[int]],
    macs: list[float] | None = None,
    scores: list[list[float]] | None = None,
    targets: list[list[int]] | None = None,
) -> Answers:
    return Answers(
        np.array(correct),
        np.array(scores or [[1.0]] * len(correct), np.float32),
        np.array(targets or [[1]] * len(correct), np.bool_),
        np.array(u, np.bool_),
        np.array(v, np.bool_),
        np.array(macs or [0.0] * len(correct)),
    )


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
    paid = MaskReward(gamma)(answers([correct], u=[u], v=[v]))
    assert [head.tolist() for head in paid] == [[pytest.approx(frames)], [pytest.approx(stages)]]


def test_each_clip_of_a_batch_is_paid_for_itself():
    given = answers([True, True, False], u=[[1, 0], [1, 1], [1, 0]], v=[[1, 1], [0, 0], [1, 1]])
    frames, stages = MaskReward(3)(given)
    assert frames.tolist() == [0.5, 0, -3]
    assert stages.tolist() == [0, 1, -3]


@pytest.mark.parametrize("gamma", [-0.1, float("nan"), float("inf"), -float("inf")])
def test_a_gamma_that_is_no_penalty_is_refused(gamma: Any):
    with pytest.raises(ValueError, match=f"gamma={gamma}.*at least 0"):
        MaskReward(gamma)


def test_macs_charge_both_heads_the_share_of_the_whole_network():
    paid = MaskReward(2.0, cost="macs")(answers([True, False], u=[[1, 0], [1, 1]], v=[[1], [1]], macs=[0.3, 1.0]))
    assert [head.tolist() for head in paid] == [[pytest.approx(0.7), -2], [pytest.approx(0.7), -2]]


SCORES = [[0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.0, 0.0, 0.0], [0.4, 0.4, 0.2]]
LABELS = [[1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 1, 0]]


@pytest.mark.parametrize(
    ("reward", "right", "wrong"),
    [
        ("accuracy", [1, 0, 0, 1], [0, 1, 1, 0]),
        ("confidence", [0.5, 0.2, 0, 0.8], [0.5, 0.8, 1, 0.2]),
        ("margin", [0.2, 0, 0, 0.2], [0, 0.5, 1, 0]),
    ],
)
def test_what_counts_as_right(reward: Any, right: list[float], wrong: list[float]):
    """By hand: a right, a wrong, an empty and a two-label clip, each with one of two frames (none for the empty)."""
    u = [[1, 0], [1, 0], [0, 0], [1, 0]]
    given = answers([True, False, False, True], u=u, v=[[0]] * 4, scores=SCORES, targets=LABELS)
    frames, stages = MaskReward(3.0, reward=reward)(given)
    assert frames.tolist() == pytest.approx([0.5 * r - 3 * w for r, w in zip(right, wrong, strict=True)], abs=1e-6)
    assert stages.tolist() == pytest.approx([r - 3 * w for r, w in zip(right, wrong, strict=True)], abs=1e-6)


@pytest.mark.parametrize(("name", "told"), [("cost", "usage, macs"), ("reward", "accuracy, confidence, margin")])
def test_an_unknown_cost_or_reward_is_refused(name: str, told: str):
    with pytest.raises(ValueError, match=f"unknown {name} 'time': expected one of {told}"):
        MaskReward(**{name: "time"})
