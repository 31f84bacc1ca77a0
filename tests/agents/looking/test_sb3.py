"""Stable-Baselines3's algorithms choose clips."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from ada3d_gym.agents.looking.judging import judge
from ada3d_gym.agents.looking.sb3 import LookingSB3Options, train_sb3
from ada3d_gym.errors import InputError

from .synthetic import CLIP_MACS, MEMORY_MACS, hidden_class


@pytest.mark.parametrize("algorithm", ["ppo", "recurrent-ppo"])
def test_learn_and_look(algorithm: Any) -> None:
    looks = hidden_class(30, 0)
    options = LookingSB3Options(algorithm, steps=3, looks=1, num_envs=4, rollout=8, hidden=8)
    policy = train_sb3(looks, options, seed=1)
    looked = policy.look(looks, np.arange(30))
    assert ((looked.counts >= 1) & (looked.counts <= 3)).all()
    paid = np.where(looked.places >= 0, CLIP_MACS + looked.places, 0).sum(1)
    decisions = np.minimum(looked.counts + 1, 3)  # one more to stop
    assert_array_equal(looked.macs, MEMORY_MACS + paid + decisions * policy.macs)
    mean = [looks.scores[video, at[at >= 0]].mean(0) for video, at in enumerate(looked.places)]
    np.testing.assert_allclose(looked.scores, mean, rtol=1e-5)
    one_by_one = [policy.look(looks, np.array([video])).places[0] for video in range(5)]
    assert_array_equal(one_by_one, looked.places[:5])  # also by RecurrentPPO, whose state is each video's own
    assert judge(train_sb3(looks, options, seed=1), looks) == judge(policy, looks)


def test_what_one_decision_costs() -> None:
    looks = hidden_class(10, 0)
    length = 16 * 8 + 6 + 4 + 2  # memory, clip, scores, place and share of looks
    policy = train_sb3(looks, LookingSB3Options("ppo", 3, 1, num_envs=2, rollout=8, hidden=8))
    assert policy.macs == length * 8 + 8 * 2
    policy = train_sb3(looks, LookingSB3Options("recurrent-ppo", 3, 1, num_envs=2, rollout=8, hidden=8))
    assert policy.macs == 4 * 8 * (length + 8) + 8 * 8 + 8 * 2


def test_wrong_options_are_named() -> None:
    with pytest.raises(InputError, match="unknown algorithm 'trpo': expected one of ppo, recurrent-ppo"):
        LookingSB3Options("trpo")  # type: ignore[arg-type]
