"""Trains the paper's agent on any environment and judges it on the test videos:

    python -m experiments.train Ada3D-FCVID-v0 --checkpoint I3D_8x8_R50.pkl --classifier-epochs 10
    python -m experiments.train Ada3D-MotionShapes-v0 --epochs 2

Before the agent, the classifier can be trained on whole clips (a checkpoint of other classes has a fresh head). Then
come stage 1, the selection network alone, and stage 2, both (Algorithm 1). Everything lands in one folder; interrupted
and started again, the command goes on after the last finished epoch.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit, build_clips, build_trunk
from ada3d_gym.datasets import EMBEDDED
from ada3d_gym.evaluation import evaluate
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks.checkpoints import save_weights
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.networks.selection import SelectionNetwork
from ada3d_gym.registration import ENVIRONMENTS
from ada3d_gym.rewards import MaskReward
from ada3d_gym.seeding import spawn, torch_seed
from agents.reference import Fixed, Random, RandomFineTuning
from agents.reinforce import Reinforce, ReinforceConfig
from experiments.checkpoints import claim_folder
from experiments.cli import run
from experiments.results import ResultFile, summarise, table
from experiments.training import train_to


def train(
    env: str,
    /,
    data_root: Path | None = None,
    checkpoint: Path | None = None,
    backbone: str | None = None,
    size: int | None = None,
    gamma: float = 6.0,
    classifier_epochs: int = 0,
    epochs: int = 4,
    joint_epochs: int = 3,
    batch_size: int = 32,
    classifier_lr: float = 0.01,
    seed: int = 0,
    device: str = "cpu",
    output: Path | None = None,
) -> None:
    """Trains and judges.

    Args:
        env: a registered id.
        data_root: folder of the videos; what the set's environment variable names by default.
        checkpoint: weights of the 3D network; for MotionShapes, the shipped ones by default.
        backbone: the 3D network; the id's own by default.
        size: side of the clips; the paper's by default (224 for training, 256 for testing).
        gamma: penalty of a wrong answer (Eq. 4); larger spends more.
        classifier_epochs: of the classifier on whole clips, before anything else.
        epochs: of stage 1.
        joint_epochs: of stage 2.
        batch_size: clips in an update.
        classifier_lr: of the classifier.
        seed: of everything random.
        device: where networks run.
        output: folder of the run; runs/ENV-seedN by default.
    """
    if env not in ENVIRONMENTS:
        raise ValueError(f"unknown environment {env!r}: expected one of {', '.join(ENVIRONMENTS)}")
    given = {"data_root": data_root, "size": size, "backbone": backbone, "checkpoint": checkpoint}
    settings: dict[str, Any] = dict(ENVIRONMENTS[env]) | {
        key: value for key, value in given.items() if value is not None
    }
    config = ReinforceConfig(epochs=epochs, joint_epochs=joint_epochs, batch_size=batch_size, seed=seed)
    shaping = {key: str(value) for key, value in settings.items()} | asdict(config)
    shaping |= {"env": env, "gamma": gamma, "classifier_epochs": classifier_epochs, "classifier_lr": classifier_lr}
    folder = output or Path("runs") / f"{env}-seed{seed}"
    claim_folder(folder, shaping)
    with warnings.catch_warnings():
        if classifier_epochs:
            warnings.filterwarnings("ignore", message=".*must be trained")
        bandit = build_bandit(**settings, gamma=gamma, device=device)
    classifier = bandit.classifier
    assert isinstance(classifier, NetworkClassifier)
    trainer = ClassifierTrainer(classifier, classifier_lr)
    if classifier_epochs:
        everything = Random(bandit.num_frames, np.ones(bandit.num_stages), bandit.num_frames, seed)
        tuning = RandomFineTuning(bandit, everything, trainer, classifier_epochs, batch_size, seed)
        train_to(folder, "classifier", tuning, classifier_epochs)
    agent = make_agent(bandit, ClassifierTrainer(classifier, classifier_lr), config, device)
    train_to(folder, "ada3d", agent, agent.total_epochs)
    save_weights(agent.selection, folder / "selection.safetensors")
    save_weights(classifier.network, folder / "classifier.safetensors")
    judge(folder, settings, classifier, agent, seed)


def make_agent(bandit: ClipBandit, trainer: ClassifierTrainer, config: ReinforceConfig, device: str) -> Reinforce:
    """The paper's agent: MobileNetV2 on frames of 112 pixels, or a small, pre-trained one on those of MotionShapes."""
    with torch_seed(spawn(config.seed, 0)):
        trunk = build_trunk(bandit.num_frames, bandit.source.observation_size)
        selection = SelectionNetwork(trunk, bandit.num_stages)
    return Reinforce(selection, bandit, config, trainer, device)


def judge(folder: Path, settings: dict[str, Any], trained: NetworkClassifier, agent: Reinforce, seed: int) -> None:
    """Upper and the agent on the test videos: a line of results.jsonl and a row of the printed table for each."""
    reading = {key: value for key, value in settings.items() if key not in ("dataset", "backbone", "checkpoint")}
    clips = build_clips(str(settings.get("dataset", EMBEDDED)), split="test", **reading)
    classifier = NetworkClassifier(trained.network, clips.size, device=trained.device)
    bandit = ClipBandit(clips, classifier, MaskReward())
    one = torch.from_numpy(clips.observations(np.array([0]))).to(trained.device)
    overhead = count_macs(agent.selection, one) / 1e9
    results = ResultFile(folder / "results.jsonl")
    policies = {
        "Upper": (Fixed.upper(bandit.num_frames, bandit.num_stages).act, 0.0),
        "Ada3D": (agent.act, overhead),
    }
    for method, (act, gmacs) in policies.items():
        start = time.perf_counter()
        evaluation = evaluate(bandit, act, description=method)
        seconds = time.perf_counter() - start
        results.add(summarise(method, evaluation, gmacs_selection=gmacs, seconds=seconds, seed=seed))
    print("\n" + table([results.results[method] for method in policies]) + f"\n\nresults and logs: {folder}")


if __name__ == "__main__":
    run(train)
