"""A training that diverges stops where it does, says where, and leaves what was saved before as it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ada3d_gym.agents.reference import Random, RandomFineTuning
from ada3d_gym.agents.registry import agent_class, make_agent
from ada3d_gym.agents.states import load_state, save_state
from ada3d_gym.agents.trunk import TrunkTraining
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit, build_trunk
from ada3d_gym.divergence import check_state
from ada3d_gym.errors import DivergedError
from ada3d_gym.evaluation import evaluate
from ada3d_gym.experiments.pretrain import pretrain
from ada3d_gym.experiments.training import Learner, train_to
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks.checkpoints.weights import CheckpointError
from tests.agents.test_agents import SMALL

VIDEOS = 14


def bandit(observation: Any = "pixels") -> ClipBandit:
    return build_bandit(split="val", videos=VIDEOS, observation=observation)


def reinforce(**options: Any) -> Learner:
    return make_agent("reinforce", bandit(), {**SMALL["reinforce"], "epochs": 2, "joint_epochs": 2, **options})


def fine_tuning() -> Learner:
    where = bandit()
    everything = Random(8, np.ones(5), 8, 0)
    return RandomFineTuning(where, everything, ClassifierTrainer(where.classifier, 0.01), 4, 8, 0, "whole clips")


def trunk() -> Learner:
    where = bandit()
    return TrunkTraining(build_trunk(8, 32), where, 4, 8, 0.01, 0, "cpu")


def sb3(name: str) -> Callable[[], Learner]:
    options = {**SMALL[name], "epochs": 2} | ({"joint_epochs": 2} if "joint_epochs" in SMALL[name] else {})
    return lambda: make_agent(name, bandit(agent_class(name).observation), options)


LEARNERS = {
    "reinforce": (reinforce, "REINFORCE", lambda agent: agent.selection.frame_head.weight),
    "mixed precision": (
        lambda: reinforce(precision="bfloat16"),
        "REINFORCE",
        lambda agent: agent.selection.frame_head.weight,
    ),
    "whole clips": (fine_tuning, "whole clips", lambda tuning: tuning.trainer.classifier.network.head.weight),
    "trunk": (trunk, "selection trunk", lambda training: training.network[1].weight),
    "ppo": (sb3("ppo"), "PPOAgent", lambda agent: next(agent.model.policy.parameters())),
    "dqn": (sb3("dqn"), "DQNAgent", lambda agent: next(agent.model.policy.parameters())),
    "sac": (sb3("sac"), "SACAgent", lambda agent: next(agent.model.policy.actor.parameters())),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "sac")) for name in LEARNERS])
@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_what_is_not_finite_stops_the_training_and_is_not_saved(name: str, tmp_path: Path):
    make, phase, weight = LEARNERS[name]
    learner = make()
    train_to(tmp_path, "learner", learner, 1)
    saved = (tmp_path / "learner.pt").read_bytes()
    with torch.no_grad():
        weight(learner).view(-1)[0] = float("nan")
    with pytest.raises(DivergedError, match=rf"^{phase}, epoch 2.*diverged.*learning rate"):
        train_to(tmp_path, "learner", learner, 2)
    assert (tmp_path / "learner.pt").read_bytes() == saved
    again = make()
    train_to(tmp_path, "learner", again, 2)  # the same run goes on from what is sound
    assert again.epoch == 2


@pytest.mark.parametrize(("epoch", "phase"), [(0, "REINFORCE"), (2, "joint fine-tuning")])
def test_a_gradient_that_is_not_finite_is_noticed_after_the_last_step(epoch: int, phase: str, tmp_path: Path):
    agent = reinforce()
    train_to(tmp_path, "agent", agent, epoch)
    steps = []
    real = agent.optimizer.step

    def step() -> None:
        steps.append(1)
        if len(steps) == 2:  # the epoch's last
            agent.selection.stage_head.bias.grad[0] = float("inf")
        real()

    agent.optimizer.step = step
    complaint = rf"^{phase}, epoch {epoch + 1}: .*selection\.stage_head\.bias is no longer finite at a learning rate of"
    with pytest.raises(DivergedError, match=complaint):
        train_to(tmp_path, "agent", agent, epoch + 1)


def test_the_joint_phase_names_the_classifiers_step(tmp_path: Path):
    agent = reinforce(classifier_lr=1e12)
    with pytest.raises(
        DivergedError, match=r"^joint fine-tuning, epoch 3, step 2: .*the classifier's loss is (nan|inf)"
    ):
        train_to(tmp_path, "agent", agent, 4)
    assert load_state(tmp_path / "agent.pt")["epoch"] == 2


@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_finite_weights_that_are_too_large_to_compute_with_are_named(tmp_path: Path):
    agent = reinforce(classifier_lr=1e12, epochs=0, joint_epochs=1, batch_size=VIDEOS)
    train_to(tmp_path, "agent", agent, 1)  # its one step leaves finite weights
    with pytest.raises(DivergedError, match="the classifier's scores are not finite"):
        evaluate(agent.bandit, agent.act, resume=tmp_path / "judging")
    assert not (tmp_path / "judging").exists()


@pytest.mark.parametrize("name", ["ppo", pytest.param("a2c", marks=pytest.mark.slow)])
def test_a_policy_that_no_mask_can_be_drawn_from_is_named(name: str, tmp_path: Path):
    agent = make_agent(name, bandit(agent_class(name).observation), {**SMALL[name], "epochs": 1, "lr": 1e30})
    with pytest.raises(DivergedError, match=rf"^{type(agent).__name__}, epoch 1: .* at a learning rate of \d.*e\+"):
        train_to(tmp_path, "agent", agent, 1)


def test_pretraining_stops_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ada3d_gym.experiments.pretrain.jitter_colours", lambda clips, generator: clips * float("nan"))
    with pytest.raises(
        DivergedError, match=r"^classifier in 2D, epoch 1, step 1: .*the loss is nan at a learning rate of"
    ):
        pretrain(output=tmp_path, epochs_2d=1, epochs_3d=1, epochs_selection=1, videos=VIDEOS)
    assert not list(tmp_path.glob("*.pt"))


def test_a_state_of_a_diverged_training_is_refused(tmp_path: Path):
    save_state(tmp_path / "agent.pt", {"epoch": 1, "network": {"weight": torch.tensor([1.0, float("nan")])}})
    with pytest.raises(
        CheckpointError, match=re.escape("agent.pt: of a training that had diverged (network.weight is")
    ):
        load_state(tmp_path / "agent.pt")


def test_the_best_of_none_yet_may_be_infinite():
    check_state({"best": torch.tensor(float("-inf")), "steps": [torch.arange(3), 4]})
    with pytest.raises(DivergedError, match=r"all\.1 is no longer finite"):
        check_state({"all": [torch.ones(2), torch.tensor([0.0, float("inf")])]})
