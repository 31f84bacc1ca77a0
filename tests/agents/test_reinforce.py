"""REINFORCE finds the masks that a known bandit asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ada3d_gym.agents.reinforce import Reinforce, ReinforceConfig
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.networks.checkpoints.weights import load_weights
from ada3d_gym.networks.selection import ClipTrunk, SelectionNetwork
from ada3d_gym.shipped import SELECTION
from tests.agents.toy import LogitTable
from tests.synthetic import TableClips, needs, table_bandit

WANTED = [([0], []), ([3], []), ([1, 2], [0, 1])]  # frames and stages that each class cannot do without


def known_bandit(copies: int) -> ClipBandit:
    labels = [label for label in range(3) for _ in range(copies)]
    source = TableClips([(label,) for label in labels], 3, num_frames=4)
    return table_bandit(source, needs([WANTED[label] for label in labels], labels, 3), num_stages=2)


def best_masks(bandit: ClipBandit) -> np.ndarray:
    labels = bandit.source.labels(np.arange(len(bandit.source)))
    masks = np.zeros((len(labels), 6), np.int8)
    for row, label in zip(masks, labels, strict=True):
        frames, stages = WANTED[label]
        row[frames] = 1
        row[[4 + stage for stage in stages]] = 1
    return masks


def greedy_masks(agent: Reinforce) -> np.ndarray:
    source = agent.bandit.source
    return agent.act(source.observations(np.arange(len(source))))


@pytest.mark.parametrize(
    ("baseline", "credit"),
    [
        ("leave_one_out", "paper"),
        ("greedy", "joint"),
        ("none", "paper"),
        *(  # the mean gradient of each is held to the exact one in any case
            pytest.param(*each, marks=pytest.mark.slow)
            for each in [("leave_one_out", "joint"), ("greedy", "paper"), ("none", "joint")]
        ),
    ],
)
def test_it_finds_the_cheapest_right_mask_of_each_clip(credit: Any, baseline: Any):
    bandit = known_bandit(copies=1)
    config = ReinforceConfig(
        epochs=150, joint_epochs=0, lr=0.1, samples=128, exploration=0.9, credit=credit, baseline=baseline
    )
    agent = Reinforce(LogitTable(bandit), bandit, config)
    rewards: list[float] = []
    agent.learn(150, lambda epoch, figures: rewards.append(figures["reward"]))
    assert not np.array_equal(greedy_masks(Reinforce(LogitTable(bandit), bandit, config)), best_masks(bandit))
    assert np.array_equal(greedy_masks(agent), best_masks(bandit))
    assert np.mean(rewards[-10:]) > np.mean(rewards[:10]) + 0.3


def test_the_selection_network_learns_on_real_clips():
    bandit = build_bandit(split="val", videos=28)
    torch.manual_seed(0)
    trunk = ClipTrunk(bandit.num_frames, "mobilenet_v2_tiny")
    load_weights(trunk, SELECTION)
    selection = SelectionNetwork(trunk, bandit.num_stages)
    agent = Reinforce(selection, bandit, ReinforceConfig(epochs=8, joint_epochs=0, batch_size=14, lr=3e-3))
    figures: list[dict[str, float]] = []
    agent.learn(8, lambda epoch, last: figures.append(last))
    assert figures[-1]["reward"] > figures[0]["reward"]
    assert figures[-1]["gmacs"] < figures[0]["gmacs"]


def test_figures_of_an_epoch():
    bandit = known_bandit(copies=1)
    agent = Reinforce(LogitTable(bandit), bandit, ReinforceConfig(epochs=2, joint_epochs=0))
    epochs: list[int] = []
    figures: list[dict[str, float]] = []

    def on_epoch(epoch: int, last: dict[str, float]) -> None:
        epochs.append(epoch)
        figures.append(last)

    agent.learn(2, on_epoch)
    assert epochs == [1, 2]
    for last in figures:
        assert 0 <= last["frames"] <= 4
        assert 0 <= last["stages"] <= 2
        assert 0 <= last["correct"] <= 1
        assert 0 < last["entropy_frames"] <= np.log(2) + 1e-6
        assert last["gmacs"] == pytest.approx((last["frames"] + last["stages"]) / 1e9)


def test_an_entropy_bonus_keeps_bits_open():
    def entropy(weight: float) -> float:
        bandit = known_bandit(copies=1)
        config = ReinforceConfig(epochs=60, joint_epochs=0, lr=0.1, exploration=1.0, entropy=weight)
        agent = Reinforce(LogitTable(bandit), bandit, config)
        figures: list[dict[str, float]] = []
        agent.learn(60, lambda epoch, last: figures.append(last))
        return float(np.mean([last["entropy_frames"] for last in figures]))

    assert entropy(1.0) > entropy(0.0) + 0.05


def test_exploration_bounds_every_probability_less_and_less():
    bandit = known_bandit(copies=20)
    policy = LogitTable(bandit)
    with torch.no_grad():
        policy.frames.fill_(100)
        policy.stages.fill_(-100)
    settings = {"lr": 0.0, "samples": 64, "exploration": 0.9, "final_exploration": 1.0}
    figures: list[dict[str, float]] = []
    agent = Reinforce(policy, bandit, ReinforceConfig(epochs=4, joint_epochs=0, **settings))
    agent.learn(4, lambda epoch, last: figures.append(last))
    for last, bound in zip(figures, (0.9125, 0.9375, 0.9625, 0.9875), strict=True):  # of the middle of each epoch
        assert last["frames"] == pytest.approx(bound * 4, abs=0.07)
        assert last["stages"] == pytest.approx((1 - bound) * 2, abs=0.07)
    drawn = agent.act(bandit.source.observations(np.arange(60)), deterministic=False)
    assert np.array_equal(drawn, greedy_masks(agent))  # nothing is left to chance at the end


def test_the_seed_decides_the_training():
    def trained(seed: int) -> torch.Tensor:
        bandit = known_bandit(copies=2)
        agent = Reinforce(LogitTable(bandit), bandit, ReinforceConfig(epochs=3, joint_epochs=0, seed=seed))
        agent.learn(3, lambda epoch, figures: None)
        return torch.cat([agent.selection.frames, agent.selection.stages], 1)

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))


@pytest.mark.parametrize(
    "options",
    [
        {"samples": 1},
        {"samples": 0, "baseline": "none"},
        {"credit": "both"},
        {"baseline": "critic"},
        {"exploration": 1.5},
        {"exploration": 0.3},
        {"final_exploration": 1.5},
        {"batch_size": 0},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any]):
    with pytest.raises(ValueError, match=next(iter(options))):
        ReinforceConfig(**options)


def test_the_joint_phase_asks_for_a_trainer_before_anything_is_trained():
    bandit = known_bandit(copies=1)
    with pytest.raises(ValueError, match="ClassifierTrainer"):
        Reinforce(LogitTable(bandit), bandit, ReinforceConfig(epochs=1, joint_epochs=1))


def test_there_is_no_training_beyond_the_last_epoch():
    bandit = known_bandit(copies=1)
    agent = Reinforce(LogitTable(bandit), bandit, ReinforceConfig(epochs=2, joint_epochs=0))
    with pytest.raises(ValueError, match="until=3"):
        agent.learn(3, lambda epoch, figures: None)
