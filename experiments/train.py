"""Trains an agent on an environment and judges it on the test videos:

    python -m experiments.train Ada3D-MotionShapes-v0
    python -m experiments.train Ada3D-MotionShapes-v0 --agent ppo --set epochs=4 joint_epochs=2
    python -m experiments.train Ada3D-FCVID-v0 --checkpoint I3D_8x8_R50.pkl

Options come from `experiments/configs/DATASET.yaml` (the paper's schedules for its data sets), or another --config,
over those of `agents/presets/AGENT.yaml`; --set replaces single ones. Before the agent, the classifier can be trained
on whole clips: a checkpoint of other classes has a fresh head. Everything lands in one folder; interrupted and started
again, the command goes on after the last finished epoch.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import tyro

from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks.checkpoints import save_weights
from ada3d_gym.networks.classifier import NetworkClassifier
from agents.agent import NoOptions
from agents.fixed import Upper
from agents.reference import Random, RandomFineTuning
from experiments.cli import run
from experiments.folders import claim_folder
from experiments.results import ResultFile, table
from experiments.runs import Run, compose, plain
from experiments.training import train_to


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
        seed: of everything random.
        device: where networks run.
        output: folder of the run; runs/ENV-AGENT-seedN by default.
    """
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
    )
    folder = output or Path("runs") / f"{env}-{agent.rpartition(':')[2]}-seed{seed}"
    claim_folder(folder, plain(asdict(run_)))
    learn(run_, folder, device)
    judge(run_, folder, device)


def learn(run_: Run, folder: Path, device: str) -> None:
    """Trains the classifier, where that is asked for, and the agent; goes on from what the folder holds."""
    bandit = run_.bandit("train", device)
    classifier = bandit.classifier
    assert isinstance(classifier, NetworkClassifier)
    if run_.classifier_epochs:
        frames, stages = bandit.num_frames, bandit.num_stages
        everything = Random(frames, np.ones(stages), frames, run_.seed)
        trainer = ClassifierTrainer(classifier, run_.classifier_lr)
        tuning = RandomFineTuning(
            bandit,
            everything,
            trainer,
            run_.classifier_epochs,
            run_.classifier_batch,
            run_.seed,
            name="classifier on whole clips",
        )
        train_to(folder, "classifier", tuning, run_.classifier_epochs)
    agent = run_.make_agent(bandit, device)
    train_to(folder, "agent", agent, agent.total_epochs)
    agent.save(folder / "agent.pt")
    agent.export(folder)
    save_weights(classifier.network, folder / "classifier.safetensors")
    bandit.source.close()


def judge(run_: Run, folder: Path, device: str) -> None:
    """Upper and the agent on the test videos: a line of results.jsonl and a row of the printed table for each."""
    bandit = run_.bandit("test", device, checkpoint=folder / "classifier.safetensors")
    agent = run_.make_agent(bandit, device)
    agent.load(folder / "agent.pt")
    results = ResultFile(folder / "results.jsonl")
    judged = {"Upper": Upper(bandit, NoOptions()), run_.agent: agent}
    for method, each in judged.items():
        results.add(run_.judge(method, bandit, each))
    print("\n" + table([results.results[method] for method in judged]) + f"\n\nresults and logs: {folder}")


if __name__ == "__main__":
    run(train)
