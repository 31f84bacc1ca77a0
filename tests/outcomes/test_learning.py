"""Agents learn on a table what they learn on the live network, and what trains the network says that it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ada3d_gym.agents.registry import make_agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.sb3 import JointFineTuneCallback

Bandits = Callable[..., ClipBandit]
ID = "Ada3D-MotionShapes-SlowOnly-v1"
EXACT = ("reward", "reward_frames", "reward_stages", "correct", "label", "macs", "frames", "stages", "no_frames")


def test_what_trains_the_classifier_says_that_a_table_is_fixed(on_table: Bandits):
    bandit = on_table(observation="features")
    for name in ("reinforce", "best-fixed", "random"):
        with pytest.raises(InputError, match=r"fixed classifier answers.*joint_epochs=0.*outcomes=None"):
            make_agent(name, bandit, {"joint_epochs": 1})
    with pytest.raises(InputError, match="fixed classifier answers"):
        make_agent("ppo", bandit, {"joint_epochs": 1, "num_envs": 2, "n_steps": 4, "batch_size": 4})
    with pytest.raises(InputError, match="fixed classifier answers"):
        ClassifierTrainer(bandit.classifier, 0.1)
    model = make_agent("ppo", bandit, {"joint_epochs": 0, "num_envs": 2, "n_steps": 4, "batch_size": 4}).model
    with pytest.raises(InputError, match="fixed classifier answers"):
        model.learn(8, JointFineTuneCallback())


def test_reinforce_learns_on_a_table_what_it_learns_on_the_network(on_table: Bandits, on_network: Bandits):
    def learned(bandit: ClipBandit) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
        options = {"epochs": 2, "joint_epochs": 0, "batch_size": 4, "samples": 2, "baseline": "greedy"}
        agent, figures = make_agent("reinforce", bandit, options), dict[int, dict[str, float]]()
        agent.learn(2, figures.__setitem__)
        return agent.selection.state_dict(), figures[2]

    (told, figures), (live, expected) = learned(on_table()), learned(on_network())
    assert all(torch.equal(told[key], value) for key, value in live.items())
    assert figures.pop("regret") > 0
    assert figures == expected


def test_stable_baselines_learns_on_a_table_and_logs_regret(on_table: Bandits, on_network: Bandits):
    def learned(bandit: ClipBandit) -> tuple[dict[str, Any], dict[str, float]]:
        options = {"epochs": 1, "joint_epochs": 0, "num_envs": 2, "n_steps": 4, "batch_size": 4}
        agent, figures = make_agent("ppo", bandit, options), dict[int, dict[str, float]]()
        agent.learn(1, figures.__setitem__)
        return agent.model.policy.state_dict(), figures[1]

    (told, figures), (live, expected) = (learned(make(observation="features")) for make in (on_table, on_network))
    assert all(torch.equal(told[key], value) for key, value in live.items())
    assert figures.pop("regret") >= 0
    assert figures == expected


@pytest.mark.parametrize("parts", [True, False])
def test_the_best_fixed_mask_is_found_on_a_table(parts: bool, on_table: Bandits, on_network: Bandits, bare_path: Path):
    def searched(bandit: ClipBandit) -> NDArray[np.int8]:
        agent = make_agent("best-fixed", bandit, {"joint_epochs": 0, "clips": 2})
        agent.learn(2, lambda *_: None)
        return agent.mask

    table = on_table() if parts else on_table(outcomes=bare_path)
    assert np.array_equal(searched(table), searched(on_network()))
