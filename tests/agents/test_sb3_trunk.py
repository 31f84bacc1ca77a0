"""Stable-Baselines3's agents with the selection network's backbone learning along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from torch import nn

from ada3d_gym.agents.registry import agent_options, make_agent
from ada3d_gym.agents.sb3 import SB3Agent
from ada3d_gym.agents.sb3_trunk import backbone_parameters, scale_changes
from ada3d_gym.agents.states import load_state
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.labels import label_options
from ada3d_gym.experiments.runs import compose
from tests.agents.test_agents import SMALL, assert_same, learn

ALGORITHMS = ("ppo", "a2c", "trpo", "dqn", "qrdqn", "sac")


def numbers(**options: Any) -> ClipBandit:
    return build_bandit(split="val", videos=14, **{"observation": "index", **options})


def training(name: str, bandit: ClipBandit | None = None, **options: Any) -> SB3Agent:
    fast = {"cg_max_steps": 2} if name == "trpo" else {}  # it differentiates twice through the backbone
    agent = make_agent(name, bandit or numbers(), {**SMALL[name], **fast, "train_trunk": True, **options}, seed=3)
    assert isinstance(agent, SB3Agent)
    return agent


def backbone(agent: SB3Agent) -> list[torch.Tensor]:
    return [each.detach().clone() for each in backbone_parameters(agent.model.policy)]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in ("ppo", "dqn"))) for name in ALGORITHMS]
)
@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_the_backbone_learns_and_goes_on_after_an_interruption(name: str, tmp_path: Path):
    agent = training(name)
    before = backbone(agent)
    learn(agent, 2)
    assert any(not torch.equal(one, other) for one, other in zip(before, backbone(agent), strict=True))

    resumed = training(name)
    learn(resumed, 1)
    resumed.save(tmp_path / "half.pt")
    resumed = training(name)
    resumed.load(tmp_path / "half.pt")
    learn(resumed, 2)
    resumed.save(tmp_path / "resumed.pt")
    agent.save(tmp_path / "unbroken.pt")
    assert_same(load_state(tmp_path / "resumed.pt"), load_state(tmp_path / "unbroken.pt"))

    judged = training(name)
    judged.load_policy(tmp_path / "unbroken.pt")
    shown = agent.bandit.observer(np.arange(14))
    assert np.array_equal(judged.act(shown), agent.act(shown))


def test_a_backbone_that_does_not_learn_stays_as_it_is():
    agent = make_agent("ppo", numbers(observation="pixels"), SMALL["ppo"], seed=3)
    assert isinstance(agent, SB3Agent)
    before = backbone(agent)
    learn(agent, 1)
    assert before
    assert_same(before, backbone(agent))


@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_pixels_and_their_numbers_teach_the_same():
    states = []
    for observation in ("index", "pixels"):
        agent = training("a2c", numbers(observation=observation))
        learn(agent, 1)
        states.append(backbone(agent))
    assert_same(*states)


def test_a_rate_of_zero_keeps_the_backbone_while_the_heads_learn():
    agent = training("ppo", trunk_lr=0.0)
    policy: Any = agent.model.policy
    before, heads = backbone(agent), policy.mlp_extractor.selection.frame_head.weight.detach().clone()
    learn(agent, 1)
    assert_same(before, backbone(agent))
    assert not torch.equal(heads, policy.mlp_extractor.selection.frame_head.weight)


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.RMSprop, torch.optim.SGD])
def test_a_scaled_change_is_that_of_a_scaled_rate(kind: Any):
    scaled, slower, other = (nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(3))
    together, alone = kind([scaled, other], lr=0.1), kind([slower], lr=0.02)
    scale_changes(together, [scaled], 0.2)
    for step in range(5):
        for optimizer, parameters in ((together, [scaled, other]), (alone, [slower])):
            for parameter in parameters:
                parameter.grad = torch.tensor([0.5 + step, -1.0])
            optimizer.step()
    torch.testing.assert_close(scaled, slower)
    assert (other - 1).abs()[0] > (scaled - 1).abs()[0]


def test_features_that_were_computed_beforehand_are_refused():
    with pytest.raises(InputError, match=r"train_trunk=True: .*features of frames.*observation='index'"):
        training("ppo", numbers(observation="features"))


def test_a_rate_of_a_backbone_that_does_not_learn_is_refused():
    with pytest.raises(InputError, match=r"trunk_lr=0\.001 is of a trunk that learns: give train_trunk=true"):
        agent_options("ppo", {"trunk_lr": 0.001})


@pytest.mark.parametrize("name", ["ppo", "dqn"])
def test_a_policy_costs_the_same_whatever_it_is_shown(name: str):
    costs = {shown: make_agent(name, numbers(observation=shown), SMALL[name]).macs for shown in ("features", "index")}
    assert costs["features"] == costs["index"] == training(name).macs > 500_000


def test_a_run_shows_numbers_to_an_agent_whose_trunk_learns():
    for learns, shown in ((True, "index"), (False, "features")):
        assert (
            compose("Ada3D-MotionShapes-v1", "dqn", 0, options={"train_trunk": learns}).settings["observation"] == shown
        )


@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_a_saved_model_acts_alike_with_stable_baselines3_alone(tmp_path: Path):
    agent = training("ppo")
    learn(agent, 1)
    (path,) = agent.export(tmp_path)
    shown = agent.bandit.observer(np.arange(14))
    assert np.array_equal(PPO.load(path).predict(shown, deterministic=True)[0], agent.act(shown))


def test_the_trunk_track_has_the_backbone_learn():
    assert label_options("ppo", "trunk")["train_trunk"]
    assert not label_options("ppo", "heads")["train_trunk"]
