"""The exact gradient is what REINFORCE's is on average, and following it tells clips apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ada3d_gym.agents.exact import Exact
from ada3d_gym.agents.registry import make_agent
from ada3d_gym.building import build_bandit
from ada3d_gym.errors import InputError
from ada3d_gym.masks import all_masks, split_mask
from ada3d_gym.outcomes.values import Game
from ada3d_gym.rewards import MaskReward
from tests.agents.known import known_bandit

STILL = {"lr": 0.0, "trunk_lr": 0.0, "entropy": 0.0, "final_entropy": 0.0}


def learn(agent: Any, until: int) -> list[dict[str, float]]:
    figures: list[dict[str, float]] = []
    agent.learn(until, lambda epoch, last: figures.append(last))
    return figures


def gradient_over_all_masks(agent: Exact, credit: str) -> list[torch.Tensor]:
    """REINFORCE's, of one batch of all clips: P(mask) * advantage * grad log P summed over the masks of each clip."""
    bandit, a = agent.bandit, 0.9
    ids = np.arange(len(bandit.source))
    logits = agent.selection(torch.from_numpy(bandit.source.observations(ids)))
    keep = [a * p + (1 - a) * (1 - p) for p in (part.sigmoid().double() for part in logits)]
    masks = all_masks(8, 2)
    u, v = split_mask(np.tile(masks, (len(ids), 1)), 8, 2)
    outcome = bandit.pull(np.repeat(ids, len(masks)), u, v)
    rewards = [torch.from_numpy(of.reshape(len(ids), -1)) for of in (outcome.reward_frames, outcome.reward_stages)]
    if credit == "joint":
        rewards = [rewards[0] + rewards[1]] * 2
    bits = torch.from_numpy(masks).double().split([8, 2], 1)
    logs = [bit @ p.log().T + (1 - bit) @ (1 - p).log().T for bit, p in zip(bits, keep, strict=True)]  # (M, B)
    chance = sum(logs).exp().detach().T
    objective = sum(
        (chance * (paid - 0.7) * log.T).sum(1).mean()  # any constant may be taken off a reward
        for paid, log in zip(rewards, logs, strict=True)
    )
    return list(torch.autograd.grad(objective, list(agent.selection.parameters())))


@pytest.mark.parametrize("credit", ["paper", "joint"])
@pytest.mark.parametrize("cost", ["usage", "macs"])
def test_its_gradient_is_that_of_reinforce_over_all_masks(credit: str, cost: Any):
    bandit = known_bandit(14, MaskReward(2.0, cost))
    options = STILL | {"epochs": 1, "batch_size": 14, "credit": credit, "exploration": 0.9, "final_exploration": 0.9}
    agent = make_agent("exact", bandit, options)
    (figures,) = learn(agent, 1)
    expected = gradient_over_all_masks(agent, credit)
    for parameter, wanted in zip(agent.selection.parameters(), expected, strict=True):
        torch.testing.assert_close(-parameter.grad, wanted, rtol=1e-3, atol=1e-5)
    assert max(part.norm() for part in expected) > 0.01

    game = Game(bandit.classifier.table, bandit.reward)
    logits = agent.selection(torch.from_numpy(bandit.source.observations(np.arange(14))))
    keep = 0.9 * torch.cat(logits, 1).sigmoid() + 0.1 * (1 - torch.cat(logits, 1).sigmoid())
    assert figures["reward"] == pytest.approx(game.value(keep.detach().numpy()), abs=1e-5)
    assert figures["regret"] == pytest.approx(game.regret(keep.detach().numpy()), abs=1e-5)
    assert figures["frames"] == pytest.approx(keep[:, :8].sum(1).mean().item(), abs=1e-5)


def test_it_starts_where_reinforce_does_and_sees_the_same_clips():
    given = {"exact": STILL, "reinforce": STILL | {"joint_epochs": 0}}
    agents = [make_agent(name, known_bandit(), options | {"epochs": 1}, seed=5) for name, options in given.items()]
    for one, other in zip(*(agent.selection.state_dict().values() for agent in agents), strict=True):
        assert torch.equal(one, other)
    seen: list[list[int]] = []
    for agent in agents:
        agent.bandit.source.expect = lambda ids: seen[-1].extend(ids.tolist())  # type: ignore[method-assign]
        seen.append([])
        learn(agent, 1)
    assert seen[0] == seen[1]
    assert agents[0].macs == agents[1].macs > 0


def test_it_comes_nearer_to_the_oracle_than_any_constant(tmp_path: Path):
    bandit = known_bandit()
    options = {"epochs": 30, "batch_size": 7, "lr": 0.01, "entropy": 0.02, "final_entropy": 0.0}
    agent = make_agent("exact", bandit, options | {"final_exploration": 1.0}, seed=1)
    figures = learn(agent, 30)
    game = Game(bandit.classifier.table, bandit.reward)
    masks = agent.act(bandit.source.observations(np.arange(28)))
    assert game.value(masks) > game.best_constant().value + 0.1
    assert figures[-1]["regret"] < 0.3 * figures[0]["regret"]
    assert {"reward", "keep_frames", "keep_stages", "entropy_frames", "distinct_masks"} <= set(figures[0])
    drawn = agent.act(bandit.source.observations(np.arange(28)), deterministic=False)
    assert split_mask(drawn, 8, 2)[0].shape == (28, 8)
    assert [path.name for path in agent.export(tmp_path)] == ["selection.safetensors"]


@pytest.mark.parametrize(
    ("name", "options"), [("exact", {}), ("supervised", {}), ("supervised", {"target": "mask"})], ids=str
)
def test_on_a_live_network_it_acts_and_does_not_learn(name: str, options: dict[str, Any], tmp_path: Path):
    agent = make_agent(name, known_bandit(), {"epochs": 1} | options)
    learn(agent, 1)
    agent.save(tmp_path / "agent.pt")
    live = build_bandit(split="val", videos=28, backbone="slowonly_tiny", views=1, gamma=2.0)
    judged = make_agent(name, live, {"epochs": 1} | options, seed=1)
    with pytest.raises(InputError, match=rf"{name} learns from an outcome table.*give outcomes='table'"):
        learn(judged, 1)
    judged.load_policy(tmp_path / "agent.pt")
    observations = live.source.observations(np.arange(28))
    assert np.array_equal(judged.act(observations), agent.act(observations))


def test_a_reward_of_ones_own_is_refused():
    own = lambda answers: (answers.u.mean(1), answers.v.mean(1))  # noqa: E731
    with pytest.raises(InputError, match="expected MaskReward"):
        learn(make_agent("exact", known_bandit(reward=own)), 1)
    with pytest.raises(InputError, match="expected MaskReward"):
        make_agent("supervised", known_bandit(reward=own))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"exploration": 0.4}, "exploration=0.4"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"keep": 1.0}, "keep=1.0"),
        ({"samples": 4}, "unknown option of exact: samples"),
        ({"credit": "mine"}, "credit"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], complaint: str):
    with pytest.raises(InputError, match=complaint):
        make_agent("exact", known_bandit(), options)
