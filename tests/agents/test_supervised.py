"""Supervised policies learn the best mask, or what all masks pay, and act by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ada3d_gym.agents.registry import make_agent
from ada3d_gym.agents.supervised import Supervised
from ada3d_gym.building import build_bandit
from ada3d_gym.errors import InputError
from ada3d_gym.masks import split_mask
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.outcomes.values import Game
from ada3d_gym.rewards import MaskReward
from tests.agents.known import known_bandit


def trained(reward: MaskReward, **options: Any) -> tuple[Supervised, list[dict[str, float]], Game]:
    bandit = known_bandit(reward=reward)
    agent = make_agent("supervised", bandit, {"epochs": 12, "batch_size": 7, **options}, seed=1)
    figures: list[dict[str, float]] = []
    agent.learn(12, lambda epoch, last: figures.append(last))
    assert isinstance(agent, Supervised)
    return agent, figures, Game(bandit.classifier.table, reward)


@pytest.mark.parametrize(
    "shaping", ["confidence", *(pytest.param(n, marks=pytest.mark.slow) for n in ("accuracy", "margin"))]
)
def test_values_are_learned_for_every_reward(shaping: Any):
    agent, figures, game = trained(MaskReward(2.0, reward=shaping), target="values", lr=0.003, trunk_lr=0.001)
    observations = agent.bandit.source.observations(np.arange(28))
    masks = agent.act(observations)
    constant, best = game.best_constant().value, game.oracle().mean
    assert game.value(masks) > constant + 0.3 * (best - constant)
    assert figures[-1]["loss"] < figures[0]["loss"]
    assert figures[-1]["regret"] < figures[0]["regret"]

    clips = torch.from_numpy(observations)
    assert agent.macs == count_macs(agent.selection, clips[:1]) > 2**10 * 256
    assert split_mask(masks, 8, 2)[0].any(1).all()  # a mask without frames is never right


def test_the_best_mask_is_learned():
    agent, figures, game = trained(MaskReward(2.0), target="mask", lr=0.01)
    masks = agent.act(agent.bandit.source.observations(np.arange(28)))
    best = game.oracle().masks
    agreement = (masks == best).mean()
    assert agreement > 0.8
    assert agreement > (best.round() == np.rint(best.mean(0))).mean()  # than by each bit's majority
    assert figures[-1]["loss"] < 0.7 * figures[0]["loss"]


def test_more_masks_than_have_values_are_refused():
    bandit = build_bandit(split="val", videos=14, num_frames=16)
    with pytest.raises(InputError, match=r"T \+ K = 21 make 2,097,152 masks.*target='mask'"):
        make_agent("supervised", bandit)
    assert make_agent("supervised", bandit, {"target": "mask"}).macs > 0


def test_wrong_options_are_named():
    for options, complaint in (({"target": "all"}, "target"), ({"hidden": 0}, "hidden=0"), ({"samples": 4}, "samples")):
        with pytest.raises(InputError, match=complaint):
            make_agent("supervised", known_bandit(), options)
