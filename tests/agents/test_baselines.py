"""Baselines take off a reward what says nothing about the mask."""

from __future__ import annotations

import pytest
import torch

from ada3d_gym.agents.baselines import Batch, MovingAverage, make_baseline

REWARDS = torch.tensor([[[1.0, 5.0], [3.0, 7.0]], [[0.0, 0.0], [2.0, 4.0]]])  # 2 heads, 2 samples, 2 clips
GREEDY = torch.tensor([[2.0, 2.0], [1.0, 0.0]])
FEATURES = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
BATCH = Batch(REWARDS, lambda: GREEDY, lambda: FEATURES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", REWARDS.tolist()),
        ("leave_one_out", [[[-2, -2], [2, 2]], [[-2, -4], [2, 4]]]),
        ("greedy", [[[-1, 3], [1, 5]], [[-1, 0], [1, 4]]]),
        ("batch_mean", [[[-3, 1], [-1, 3]], [[-1.5, -1.5], [0.5, 2.5]]]),
        ("moving_average", [[[-3, 1], [-1, 3]], [[-1.5, -1.5], [0.5, 2.5]]]),
    ],
)
def test_by_hand(name: str, expected: list[list[list[float]]]):
    assert make_baseline(name, 2)(BATCH).tolist() == expected


def test_a_moving_average_follows_slowly_and_is_saved():
    baseline = MovingAverage(decay=0.9)
    baseline(BATCH)
    advantages = baseline(Batch(REWARDS + 10, lambda: GREEDY, lambda: FEATURES))
    assert advantages[0].tolist() == (REWARDS[0] + 10 - 4).tolist()  # the average before this batch
    again = MovingAverage()
    again.load_state_dict(baseline.state_dict())
    assert again.average.tolist() == pytest.approx([5.0, 2.5])


def test_a_value_learns_what_each_clip_is_worth_and_goes_on_where_it_was_saved():
    torch.manual_seed(0)
    baseline = make_baseline("value", 2)
    for _ in range(2000):
        advantages = baseline(BATCH)
    assert advantages.mean(1).abs().max() < 0.05  # of each head and clip, over samples
    again = make_baseline("value", 2)
    again.load_state_dict(baseline.state_dict())
    for _ in range(3):
        assert torch.equal(baseline(BATCH), again(BATCH))
