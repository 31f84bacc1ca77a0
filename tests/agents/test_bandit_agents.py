"""Plain contextual bandits learn from what their own masks paid, and their regressions are what they say they are."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ada3d_gym.agents.bit_models import BitModel, JointBits, SeparateBits
from ada3d_gym.agents.feature_bandit import FeatureBandit
from ada3d_gym.agents.registry import make_agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_observer
from ada3d_gym.errors import DivergedError, InputError
from ada3d_gym.masks import split_mask
from ada3d_gym.outcomes.values import Game
from tests.agents.known import known_bandit

EPOCHS = 25
SMALL: dict[str, Any] = {"epochs": EPOCHS, "batch_size": 7, "components": 6}
NEURAL = {"model": "neural", "hidden": 16, "features": 6, "replay_batch": 16}
AGENTS: list[tuple[str, dict[str, Any]]] = [
    ("thompson", {"bits": "joint", "scale": 0.3}),
    ("thompson", {"bits": "separate", "scale": 0.3}),
    ("thompson", {"credit": "joint", "scale": 0.3}),
    ("thompson", NEURAL),
    ("ucb", {"bits": "joint"}),
    ("ucb", {"bits": "separate"}),
    ("ucb", NEURAL),
    ("epsilon-greedy", {}),
    ("epsilon-greedy", NEURAL | {"features": None, "lr": 0.01}),
]


@cache
def featured_bandit() -> ClipBandit:
    bandit = known_bandit()
    return ClipBandit(
        bandit.source,
        bandit.classifier,
        bandit.reward,
        build_observer(bandit.source, "features"),  # type: ignore[arg-type]
    )


def made(name: str, options: dict[str, Any], seed: int = 1, **more: Any) -> FeatureBandit:
    given = {key: value for key, value in (SMALL | options | more).items() if value is not None}
    agent = make_agent(name, featured_bandit(), given, seed=seed)
    assert isinstance(agent, FeatureBandit)
    return agent


def learn(agent: FeatureBandit, until: int) -> list[dict[str, float]]:
    figures: list[dict[str, float]] = []
    agent.learn(until, lambda epoch, last: figures.append(last))
    return figures


@pytest.mark.parametrize(("name", "options"), AGENTS, ids=str)
@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_it_earns_more_than_masks_at_random_and_pulls_each_clip_once_an_epoch(name: str, options: dict[str, Any]):
    agent = made(name, options)
    pulled: list[int] = []
    agent.bandit.on_pull = lambda ids, u, v: pulled.extend(ids.tolist())
    figures = learn(agent, EPOCHS)
    agent.bandit.on_pull = None
    assert np.array_equal(np.bincount(pulled), np.full(28, EPOCHS))
    game = Game(agent.bandit.classifier.table, agent.bandit.reward)  # type: ignore[attr-defined]
    masks = agent.act(agent.bandit.observer(np.arange(28)))
    assert game.value(masks) > game.value(np.full(10, 0.5)) + 0.3
    assert split_mask(masks, 8, 2)[0].any(1).all()
    assert figures[-1]["regret"] < figures[0]["regret"]
    assert ("loss" in figures[0]) == (options.get("model") == "neural")
    assert agent.macs > made(name, {"components": 1}).macs


@pytest.mark.parametrize(("name", "options"), AGENTS, ids=str)
@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_it_goes_on_exactly_and_acts_elsewhere(name: str, options: dict[str, Any], tmp_path: Path):
    whole, half = made(name, options, epochs=4), made(name, options, epochs=4)
    figures = learn(whole, 4)
    first = learn(half, 2)
    half.save(tmp_path / "half.pt")
    resumed = made(name, options, epochs=4)
    resumed.load(tmp_path / "half.pt")
    assert first + learn(resumed, 4) == figures
    whole.save(tmp_path / "whole.pt")
    judged = made(name, options, seed=8, epochs=4)
    judged.load_policy(tmp_path / "whole.pt")
    shown = whole.bandit.observer(np.arange(28))
    assert np.array_equal(judged.act(shown), whole.act(shown))
    assert np.array_equal(resumed.act(shown), whole.act(shown))


def test_seeds_differ_and_repeat():
    shown = featured_bandit().observer(np.arange(28))
    acts = []
    for seed in (1, 1, 2):
        agent = made("thompson", {"epochs": 3}, seed=seed)
        figures = learn(agent, 3)
        acts.append((figures, agent.act(shown, deterministic=False).tolist()))
    assert acts[0] == acts[1]
    assert acts[0] != acts[2]


def pulls(count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of 3 frames and 2 stages, with contexts (B, 3): frame bit j pays j + x_1, stage bits -1 to the other head."""
    x = torch.from_numpy(rng.standard_normal((count, 3))).float()
    x[:, 0] = 1
    bits = torch.from_numpy(rng.random((count, 5)) < 0.5)
    effects = torch.arange(3) + x[:, 1:2]
    rewards = torch.stack([(bits[:, :3] * effects).sum(1), -bits[:, 3:].sum(1).float()], 1)
    return x, bits, rewards


HEADS = torch.tensor([0, 0, 0, 1, 1])


def test_the_joint_regression_finds_effects_that_add_up():
    rng = np.random.default_rng(0)
    model = JointBits(3, HEADS, 1e-3, 1.0, "cpu")
    for _ in range(10):
        model.add(*pulls(40, rng))
    x = pulls(6, rng)[0]
    expected = torch.cat([torch.arange(3) + x[:, 1:2], torch.full((6, 2), -1.0)], 1)
    torch.testing.assert_close(model.mean(x), expected, atol=1e-2, rtol=0)
    torch.testing.assert_close(model.sampled(x, 0.0, rng), model.mean(x))
    torch.testing.assert_close(model.optimistic(x, 0.0), model.mean(x))


def test_the_separate_regressions_are_ridge_regressions_of_each_value():
    rng = np.random.default_rng(1)
    batches = [pulls(30, rng) for _ in range(3)]
    model = SeparateBits(3, HEADS, 2.0, 1.0, "cpu")
    for batch in batches:
        model.add(*batch)
    x, bits, rewards = (torch.cat(parts).double() for parts in zip(*batches, strict=True))
    weights = []
    for wanted in (1, 0):
        rows = bits[:, 4] == wanted
        weights.append(torch.linalg.solve(x[rows].T @ x[rows] + 2 * torch.eye(3), x[rows].T @ rewards[rows, 1]))
    new = pulls(5, rng)[0]
    torch.testing.assert_close(model.mean(new)[:, 4], new @ (weights[0] - weights[1]).float(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", [JointBits, SeparateBits])
def test_draws_scatter_as_the_posterior_says(kind: type[JointBits] | type[SeparateBits]):
    rng = np.random.default_rng(2)
    model: BitModel = kind(3, HEADS, 1.0, 1.0, "cpu")
    model.add(*pulls(30, rng))
    x = pulls(4, rng)[0]
    drawn = torch.stack([model.sampled(x, 0.5, rng) for _ in range(4000)])
    torch.testing.assert_close(drawn.mean(0), model.mean(x), atol=0.05, rtol=0)
    covariance = model.covariance
    joint = isinstance(model, JointBits)
    own = covariance.view(6, 3, 6, 3)[2, :, 2] if joint else covariance[1] + covariance[6]  # of bit 1
    deviation = 0.5 * ((x @ own) * x).sum(1).sqrt()
    torch.testing.assert_close(drawn[:, :, 1].std(0), deviation, rtol=0.06, atol=0)


@pytest.mark.parametrize("kind", [JointBits, SeparateBits])
def test_optimism_prefers_the_value_that_was_seen_less(kind: type[JointBits] | type[SeparateBits]):
    rng = np.random.default_rng(3)
    model: BitModel = kind(3, HEADS, 1.0, 1.0, "cpu")
    x, bits, rewards = pulls(60, rng)
    bits[:, 2], bits[:, 4] = True, False
    model.add(x, bits, rewards)
    width = model.optimistic(x, 1.0) - model.mean(x)
    assert (width[:, 2] < 0).all()
    assert (width[:, 4] > 0).all()


@pytest.mark.parametrize("kind", [JointBits, SeparateBits])
def test_what_is_forgotten_goes_back_to_the_prior(kind: type[JointBits] | type[SeparateBits]):
    rng = np.random.default_rng(4)
    model: BitModel = kind(3, HEADS, 0.7, 0.5, "cpu")
    empty = torch.zeros(0, 3), torch.zeros(0, 5, dtype=torch.bool), torch.zeros(0, 2)
    before = model.precision.clone()
    model.add(*pulls(50, rng))
    for _ in range(60):
        model.add(*empty)
    torch.testing.assert_close(model.precision, before)
    assert model.moments.abs().max() < 1e-6


def test_sums_that_are_no_longer_numbers_stop_the_training():
    model = JointBits(3, HEADS, 1.0, 1.0, "cpu")
    x, bits, rewards = pulls(5, np.random.default_rng(5))
    with pytest.raises(DivergedError, match="no solution at ridge=1"):
        model.add(x * torch.nan, bits, rewards)


def test_pixels_are_refused():
    with pytest.raises(InputError, match=r"Thompson learns from features of frames: give observation='features'"):
        make_agent("thompson", known_bandit())


def test_epsilon_falls_in_a_line_and_stays():
    agent: Any = made("epsilon-greedy", {"epsilon": 0.8, "final_epsilon": 0.2, "exploration_fraction": 0.5})
    assert [agent.epsilon(progress) for progress in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([0.8, 0.5, 0.2, 0.2])


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("thompson", {"batch_size": 0}, "batch_size=0"),
        ("thompson", {"components": 0}, "components=0"),
        ("thompson", {"scale": -1.0}, "scale=-1.0"),
        ("thompson", {"ridge": 0.0}, "ridge=0.0"),
        ("ucb", {"forget": 1.5}, "forget=1.5"),
        ("ucb", {"alpha": -0.5}, "alpha=-0.5"),
        ("ucb", {"hidden": 0}, "hidden=0"),
        ("ucb", {"model": "cubic"}, "model"),
        ("epsilon-greedy", {"epsilon": 1.5}, "epsilon=1.5"),
        ("epsilon-greedy", {"replay": 0}, "replay=0"),
        ("epsilon-greedy", {"masks": "some"}, "unknown menu 'some'"),
    ],
)
def test_wrong_options_are_named(name: str, options: dict[str, Any], complaint: str):
    with pytest.raises(InputError, match=complaint):
        make_agent(name, featured_bandit(), options)
