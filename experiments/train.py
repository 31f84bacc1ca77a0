"""Trains an agent on an environment and judges it on the test videos:

    python -m experiments.train Ada3D-MotionShapes-v0
    python -m experiments.train Ada3D-MotionShapes-v0 --agent ppo --set epochs=4 joint_epochs=2
    python -m experiments.train Ada3D-FCVID-v0 --checkpoint I3D_8x8_R50.pkl
    torchrun --nproc-per-node 8 -m experiments.train Ada3D-FCVID-v0 --checkpoint I3D_8x8_R50.pkl --device cuda

Options come from `experiments/configs/DATASET.yaml` (the paper's schedules for its data sets), or another --config,
over those of `agents/presets/AGENT.yaml`; --set replaces single ones. Before the agent, the classifier can be trained
on whole clips (a checkpoint of other classes has a fresh head), and so can the trunk of the selection network.
Everything lands in one folder; interrupted and started again, the command goes on after the last finished epoch;
finished, it prints its results again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import tyro

from ada3d_gym import parallel
from ada3d_gym.agents.agent import Agent, NoOptions
from ada3d_gym.agents.fixed import Upper
from ada3d_gym.agents.reference import Random, RandomFineTuning
from ada3d_gym.agents.registry import agent_class
from ada3d_gym.agents.trunk import TrunkTraining
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_trunk
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.folders import folder_name
from ada3d_gym.experiments.inputs import claimed_by
from ada3d_gym.experiments.judging import Trial
from ada3d_gym.experiments.results import ResultFile, table
from ada3d_gym.experiments.runs import TRUNK, Run, compose
from ada3d_gym.experiments.training import train_to
from ada3d_gym.files import writing
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.seeding import Stream, spawn, torch_seed


def train(
    env: tyro.conf.Positional[str],
    agent: str = "reinforce",
    config: Path | None = None,
    set: tuple[str, ...] = (),
    data_root: Path | None = None,
    checkpoint: Path | None = None,
    backbone: str | None = None,
    size: int | None = None,
    videos: int | None = None,
    gamma: float | None = None,
    classifier_epochs: int | None = None,
    trunk: str | None = None,
    trunk_epochs: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    output: Path | None = None,
) -> None:
    """Trains and judges.

    Args:
        env: a registered id.
        agent: a name (reinforce, ppo, a2c, trpo, dqn, qrdqn, sac, best-fixed, …) or module:Class.
        config: YAML file of settings; experiments/configs/DATASET.yaml by default.
        set: options of the agent, as epochs=3.
        data_root: folder of the videos; what the set's environment variable names by default.
        checkpoint: weights of the 3D network; for MotionShapes, the shipped ones by default.
        backbone: the 3D network; the id's own by default.
        size: side of the clips; the paper's by default (224 for training, 256 for testing).
        videos: use the first so many of each split only.
        gamma: penalty of a wrong answer (Eq. 4); larger spends more.
        classifier_epochs: of the classifier on whole clips, before anything else.
        trunk: weights that the selection network's trunk starts from: a trunk.safetensors or torchvision's MobileNetV2.
        trunk_epochs: of the trunk as a classifier, for agents that see through one.
        seed: of everything random.
        device: where networks run.
        output: folder of the run; runs/ENV-AGENT-seedN by default.
    """
    checked_device(device)
    given = {"data_root": data_root, "checkpoint": checkpoint, "backbone": backbone, "size": size, "videos": videos}
    run_ = compose(
        env,
        agent,
        seed,
        config=config,
        assignments=set,
        environment=given,
        gamma=gamma,
        classifier_epochs=classifier_epochs,
        trunk=trunk,
        trunk_epochs=trunk_epochs,
    )
    folder = output or Path("runs") / f"{env}-{folder_name(agent)}-seed{seed}"
    with parallel.joined(device) as own_device, ExitStack() as stack:
        if parallel.rank() == 0:
            stack.enter_context(claimed_by(run_, folder))
        parallel.wait()
        results = ResultFile(folder / "results.jsonl")
        finished = {"Upper", run_.agent} <= results.results.keys() and (folder / "classifier.safetensors").exists()
        if not finished:
            _run(run_, folder, results, own_device)
        if parallel.rank() == 0:
            print("\n" + table([results.results[name] for name in ("Upper", run_.agent)]))
            print(f"\nresults and logs: {folder}")
            if finished:
                print(f"finished before: delete {folder} or choose another --output to train again")


def _run(run_: Run, folder: Path, results: ResultFile, device: str) -> None:
    kind = agent_class(run_.agent)
    if parallel.world() > 1 and kind.train_epoch is not Agent.train_epoch and not kind.data_parallel:
        raise InputError(f"{run_.agent} trains in one process: start it without torchrun")
    run_ = train_trunk(run_, folder, device)
    bandit = run_.bandit("train", device)
    train_classifier(run_, bandit, folder)
    if "Upper" not in results.results:  # the paper's: the classifier before the agent
        trial = Trial.prepare(run_, "test", device, checkpoint=folder / "pretrained.safetensors")
        results.add(trial.judge("Upper", Upper(trial.bandit, NoOptions()), folder))
    train_agent(run_, bandit, folder, device)
    trial = Trial.prepare(run_, "test", device, checkpoint=folder / "classifier.safetensors")
    agent = trial.trained_agent(folder, device)
    results.add(trial.judge(run_.agent, agent, folder, state=folder / "agent.pt"))


def train_trunk(run_: Run, folder: Path, device: str) -> Run:
    """The run with a trunk that is trained, where that is asked for, and written as `trunk.safetensors`."""
    if not run_.sees_through_trunk or not (run_.trunk or run_.trunk_epochs):
        return run_
    bandit = run_.bandit("train", device, observation="pixels")
    with torch_seed(spawn(run_.seed, Stream.TRUNK_WEIGHTS)):
        aggregation = run_.options.get("aggregation", "concat")
        trunk = build_trunk(bandit.num_frames, bandit.source.observation_size, run_.trunk, aggregation)
    if epochs := run_.trunk_epochs:
        size, lr = run_.classifier_batch, run_.classifier_lr
        train_to(folder, "trunk", TrunkTraining(trunk, bandit, epochs, size, lr, run_.seed, device), epochs)
    _write(folder, lambda: save_weights(trunk, folder / TRUNK))
    bandit.source.close()
    return run_.with_trunk(folder / TRUNK)


def train_classifier(run_: Run, bandit: ClipBandit, folder: Path) -> None:
    """Trains the classifier on whole clips, where that is asked for, and writes `pretrained.safetensors`."""
    classifier = bandit.classifier
    assert isinstance(classifier, NetworkClassifier)
    if epochs := run_.classifier_epochs:
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
    _write(folder, lambda: save_weights(classifier.network, folder / "pretrained.safetensors"))


def train_agent(run_: Run, bandit: ClipBandit, folder: Path, device: str) -> None:
    """Trains the agent, from its last epoch in the folder, and writes it and the classifier as it has become."""
    agent = run_.make_agent(bandit, device)
    train_to(folder, "agent", agent, agent.total_epochs)
    classifier = bandit.classifier
    assert isinstance(classifier, NetworkClassifier)

    def write() -> None:
        agent.save(folder / "agent.pt")
        agent.export(folder)
        save_weights(classifier.network, folder / "classifier.safetensors")

    _write(folder, write)
    bandit.source.close()


def _write(folder: Path, write: Callable[[], object]) -> None:
    """In the first process; the others read what it wrote."""
    if parallel.rank() == 0:
        with writing(folder):
            write()
    parallel.wait()


if __name__ == "__main__":
    run(train)
