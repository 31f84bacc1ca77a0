"""Another agent's policy under which a classifier is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ada3d_gym.agents.agent import Agent
from ada3d_gym.agents.registry import agent_options, make_agent
from ada3d_gym.agents.states import MissingState
from ada3d_gym.agents.transferred import Transferred
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.errors import InputError
from ada3d_gym.networks.checkpoints.weights import CheckpointError

AGENTS: dict[str, dict[str, Any]] = {
    "reinforce": {"epochs": 1, "batch_size": 8, "samples": 2},
    "a2c": {"epochs": 1, "num_envs": 4, "n_steps": 2},
    "thompson": {"epochs": 1, "batch_size": 8},
    "random": {},
}


def bandit_of(half: str, observation: str = "pixels", **options: Any) -> ClipBandit:
    return build_bandit(split="val", classes=half, videos=14, observation=observation, **options)


@pytest.fixture(scope="module", params=AGENTS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Agent, dict[str, Any]]:
    """A policy of half a, and the options that take it elsewhere."""
    name, options = request.param, AGENTS[request.param]
    shown = "features" if name in ("a2c", "thompson") else "pixels"
    agent = make_agent(name, bandit_of("a", shown), options, seed=3)
    agent.learn(agent.total_epochs, lambda epoch, figures: None)
    path = tmp_path_factory.mktemp("policies") / "agent.pt"
    agent.save(path)
    return agent, {"agent": name, "agent_options": options, "agent_seed": 3, "state": str(path)}


def moved(policy: dict[str, Any], **options: Any) -> Transferred:
    shown = Transferred.shown(agent_options("transferred", policy))
    made = make_agent("transferred", bandit_of("b", shown), policy | {"joint_batch_size": 8} | options, seed=1)
    assert isinstance(made, Transferred)
    return made


def test_masks_are_the_policys_own_and_so_are_its_operations(trained: tuple[Agent, dict[str, Any]]):
    agent, policy = trained
    taken = moved(policy)
    observations = taken.bandit.observer(np.arange(0, 56, 4))
    assert np.array_equal(taken.act(observations), agent.act(observations))
    assert taken.macs == agent.macs
    assert taken.total_epochs == 0


def test_the_classifier_is_trained_and_the_policy_is_not(trained: tuple[Agent, dict[str, Any]], tmp_path: Path):
    agent, policy = trained
    taken = moved(policy, joint_epochs=2)
    network = taken.bandit.classifier.network
    before = {key: value.clone() for key, value in network.state_dict().items()}
    figures: dict[int, dict[str, float]] = {}
    taken.learn(1, figures.__setitem__)
    taken.save(tmp_path / "half.pt")
    taken.learn(2, figures.__setitem__)
    assert np.isfinite([each["classifier_loss"] for each in figures.values()]).all()
    assert not torch.equal(network.state_dict()["head.weight"], before["head.weight"])
    if policy["agent"] != "random":
        observations = taken.bandit.observer(np.arange(14))
        assert np.array_equal(taken.act(observations), agent.act(observations))
        resumed = moved(policy, joint_epochs=2)
        resumed.load(tmp_path / "half.pt")
        resumed.learn(2, lambda epoch, figures: None)
        for key, value in resumed.bandit.classifier.network.state_dict().items():
            assert torch.equal(value, network.state_dict()[key]), key


def test_what_is_no_policy_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="transferred has no policy: 'ada3d train ID --transfer RUN'"):
        agent_options("transferred", {})
    gone = {"agent": "reinforce", "state": str(tmp_path / "gone.pt")}
    with pytest.raises(MissingState, match="no such file"):
        make_agent("transferred", bandit_of("b"), gone)


def test_a_state_of_other_clips_is_refused(tmp_path: Path):
    longer = build_bandit(split="val", num_frames=16, videos=14)
    make_agent("reinforce", longer).save(tmp_path / "agent.pt")
    with pytest.raises(CheckpointError, match="the state of another agent, or of other options"):
        make_agent("transferred", bandit_of("b"), {"agent": "reinforce", "state": str(tmp_path / "agent.pt")})
