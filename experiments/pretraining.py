"""What is trained before an agent: the classifier on whole clips, and the trunk of the selection network.

Runs of one environment have that alike. A list of runs does it once, in a run of its own, and others begin from what
that leaves.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ada3d_gym.agents.reference import Random, RandomFineTuning
from ada3d_gym.agents.trunk import TrunkTraining
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_trunk
from ada3d_gym.datasets import EMBEDDED_SETS
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.runs import PRETRAINED, TRUNK, Run
from ada3d_gym.experiments.scratch.classifier import train_from_scratch, train_trunk_from_scratch
from ada3d_gym.experiments.training import train_to, write_once
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.outcomes.classifier import TableClassifier, check_network
from ada3d_gym.seeding import Stream, spawn, torch_seed
from ada3d_gym.video.clips import VideoClips

AGENT = "pretrained"


def trains_first(run: Run) -> bool:
    """Whether a run trains classifier or trunk before its agent learns."""
    from_scratch = run.classifier_recipe == "scratch"
    return bool(from_scratch or run.classifier_epochs or (run.sees_through_trunk and run.trunk_epochs))


def pretraining(run: Run) -> Run:
    """The run that does what a run does before its agent learns, and judges Upper."""
    return replace(run, agent=AGENT, options={"weights": None} | _aggregation(run))


def begun_from(run: Run, first: Run, folder: Path) -> Run:
    """A run that begins from what another has trained, as far as that is its own.

    Args:
        run: of any agent, in the same environment.
        first: the other run, made by `pretraining`.
        folder: the other run's.
    """
    from_scratch = first.classifier_recipe == "scratch"
    if first.classifier_epochs or from_scratch:
        environment = run.environment | {"checkpoint": str(folder / PRETRAINED)}
        run = replace(run, classifier_epochs=0, classifier_recipe="finetune", scratch={}, environment=environment)
    if (first.trunk_epochs or from_scratch) and (
        not run.sees_through_trunk or _aggregation(run) == _aggregation(first)
    ):
        run = replace(run, trunk=str(folder / TRUNK), trunk_epochs=0)
    return run


def _aggregation(run: Run) -> dict[str, str]:
    """A trunk of another aggregation has other weights; "concat" is that of agents that do not say."""
    return {"aggregation": run.options.get("aggregation", "concat")}


def train_trunk(run_: Run, folder: Path, device: str) -> Run:
    """The run with a trunk that is trained, where that is asked for, and written as `trunk.safetensors`."""
    from_scratch = run_.classifier_recipe == "scratch"
    if not run_.sees_through_trunk or not (run_.trunk or run_.trunk_epochs or from_scratch):
        return run_
    bandit = run_.bandit("train", device, observation="pixels")
    with torch_seed(spawn(run_.seed, Stream.TRUNK_WEIGHTS)):
        aggregation = run_.options.get("aggregation", "concat")
        trunk = build_trunk(bandit.num_frames, bandit.source.observation_size, run_.trunk, aggregation)
    if from_scratch:
        train_trunk_from_scratch(run_, trunk, clips_of(bandit), folder, device)
    elif epochs := run_.trunk_epochs:
        size, lr = run_.classifier_batch, run_.classifier_lr if run_.trunk_lr is None else run_.trunk_lr
        jitter = run_.settings["dataset"] in EMBEDDED_SETS  # whose clips are always the same
        passes: Any = {"micro_batch": run_.classifier_micro_batch, "precision": run_.precision}
        learner = TrunkTraining(trunk, bandit, epochs, size, lr, run_.seed, device, jitter=jitter, **passes)
        train_to(folder, "trunk", learner, epochs)
    write_once(folder, lambda: save_weights(trunk, folder / TRUNK))
    bandit.source.close()
    return run_.with_trunk(folder / TRUNK)


def train_classifier(run_: Run, bandit: ClipBandit, folder: Path) -> None:
    """Trains the classifier on whole clips, where that is asked for, and writes `pretrained.safetensors`."""
    classifier = live_classifier(run_, bandit)
    epochs, from_scratch = run_.classifier_epochs, run_.classifier_recipe == "scratch"
    if (epochs or from_scratch) and classifier is not bandit.classifier:
        what = "classifier_recipe='scratch'" if from_scratch else f"classifier_epochs={epochs}"
        raise InputError(
            f"{what} trains the classifier, and an outcome table holds what a fixed one answers: "
            "give classifier_epochs=0 for the weights as they are, or leave outcomes out"
        )
    if from_scratch:
        train_from_scratch(run_, clips_of(bandit), classifier, folder)
    elif epochs:
        everything = Random(bandit.num_frames, np.ones(bandit.num_stages), bandit.num_frames, run_.seed)
        trainer = ClassifierTrainer(
            classifier,
            run_.classifier_lr,
            freeze_batch_norm=run_.classifier_batch_norm == "frozen",
            dropout=run_.classifier_dropout,
            seed=spawn(run_.seed, Stream.DROPOUT, 0),
        )
        size = run_.classifier_batch
        name, stream = "classifier on whole clips", Stream.CLASSIFIER
        learner = RandomFineTuning(bandit, everything, trainer, epochs, size, run_.seed, name, stream=stream)
        train_to(folder, "classifier", learner, epochs)
    write_once(folder, lambda: save_weights(classifier.network, folder / PRETRAINED))


def clips_of(bandit: ClipBandit) -> VideoClips:
    """Of a run's bandit."""
    assert isinstance(bandit.source, VideoClips)
    return bandit.source


def live_classifier(run_: Run, bandit: ClipBandit) -> NetworkClassifier:
    """The bandit's, or that which its outcome table is of."""
    classifier = bandit.classifier
    if isinstance(classifier, TableClassifier):
        live = run_.bandit("train", "cpu", outcomes=None).classifier
        assert isinstance(live, NetworkClassifier)
        check_network(classifier.table, live, "the run's")
        return live
    assert isinstance(classifier, NetworkClassifier)
    return classifier
