"""What an agent's masks come from, in one network from pixels, or one mask: what a file can hold of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ada3d_gym.agents.agent import Agent
from ada3d_gym.agents.registry import make_agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.networks.selection import SelectionNetwork
from ada3d_gym.networks.selection_file import load_selection, save_selection
from ada3d_gym.prediction.policies import NetworkPolicy

FEW = {"num_envs": 2, "n_steps": 2}
PPO = {**FEW, "batch_size": 4}


def shown(observation: str) -> ClipBandit:
    return build_bandit(split="val", videos=14, observation=observation)


def opened(agent: Agent) -> Agent:
    """The agent with heads whose masks differ from clip to clip."""
    network: Any = agent.model.policy if hasattr(agent, "model") else agent.selection  # type: ignore[attr-defined]
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, SelectionNetwork):
            for head in (module.frame_head, module.stage_head):
                nn.init.normal_(head.weight, generator=generator)
                nn.init.zeros_(head.bias)
    return agent


@pytest.mark.parametrize(
    ("name", "observation", "options"),
    [
        ("reinforce", "pixels", {}),
        ("reinforce", "pixels", {"aggregation": "mean"}),
        ("reinforce", "features", {}),
        ("ppo", "features", PPO),
        ("a2c", "pixels", {**FEW, "exploration": 0.9}),
        ("ppo", "index", {**PPO, "train_trunk": True}),
    ],
    ids=str,
)
def test_a_selection_network_from_pixels_chooses_as_the_agent_does(
    name: str, observation: str, options: dict[str, Any], tmp_path: Any
):
    bandit = shown(observation)
    agent = opened(make_agent(name, bandit, options, seed=1))
    network = agent.portable()
    assert isinstance(network, SelectionNetwork)
    save_selection(network, tmp_path / "selection.safetensors", bandit.classifier.stage_names, 32)
    ids = np.arange(28)
    policy = NetworkPolicy(load_selection(tmp_path / "selection.safetensors"), 32)
    masks = policy.act(bandit.source.observations(ids))
    assert np.array_equal(masks, agent.act(bandit.observer(ids)))
    assert len(np.unique(masks, axis=0)) > 5
    assert policy.macs == agent.macs


@pytest.mark.parametrize(
    ("name", "options", "mask"),
    [
        ("upper", {}, "1111111111111"),
        ("uniform", {"frames": 1, "stages": [0]}, "0000100010000"),
        ("fixed", {"mask": "0100000000001"}, "0100000000001"),
    ],
)
def test_a_constant_is_one_mask(name: str, options: dict[str, Any], mask: str):
    bandit = shown("pixels")
    agent = make_agent(name, bandit, options, seed=0)
    found = agent.portable()
    assert isinstance(found, np.ndarray)
    assert "".join(map(str, found.tolist())) == mask
    assert np.array_equal(agent.act(bandit.observer(np.arange(2))), [found, found])


def test_others_have_to_be_there_themselves():
    assert make_agent("random", shown("pixels"), {}, seed=0).portable() is None
    assert make_agent("dqn", shown("features"), {"num_envs": 2}, seed=0).portable() is None
    assert make_agent("reinforce", shown("pixels"), {"heads": "frames"}, seed=0).portable() is None
    assert make_agent("supervised", build_bandit(split="val", videos=14, outcomes="table"), {}).portable() is None
