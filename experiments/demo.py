"""The paper's comparison (Table 1, Fig. 3, Fig. 4) on MotionShapes, from encoded videos to a table and pictures:

    python -m experiments.demo            # some minutes on two CPU cores
    python -m experiments.demo --quick    # the same path on few videos

Stage 1 trains the selection network, stage 2 trains the classifier along (Algorithm 1); Upper, 2D only, Random, Random
FT and Ada3D are judged on the test videos, several clips each. Everything lands in one folder; interrupted and started
again, the command goes on after the last finished epoch or result.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.agents.ada3d import Ada3D, Ada3DOptions
from ada3d_gym.agents.agent import Policy
from ada3d_gym.agents.reference import Fixed, Random, RandomFineTuning, matched_random
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_classifier
from ada3d_gym.datasets import motionshapes_clips
from ada3d_gym.devices import checked_device
from ada3d_gym.evaluation import Act, evaluate
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.figures import draw_masks, plot_accuracy
from ada3d_gym.experiments.folders import claimed
from ada3d_gym.experiments.results import METHODS, ResultFile, summarise, table
from ada3d_gym.experiments.training import train_to
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.rewards import MaskReward
from ada3d_gym.seeding import Stream, spawn


@dataclass(frozen=True)
class Options:
    """What shapes a run's numbers; a folder holds one run. See `demo` for what each is."""

    seed: int = 0
    gamma: float = 6.0
    train_videos: int | None = None
    test_videos: int | None = None
    epochs: int = 4
    joint_epochs: int = 3
    classifier_lr: float = 0.01

    @classmethod
    def of(cls, seed: int, quick: bool, **options: Any) -> Options:
        """With few videos and one epoch of each kind, where it is to be quick."""
        short = {"train_videos": 140, "test_videos": 70, "epochs": 1, "joint_epochs": 1} if quick else {}
        return cls(seed, **options | short)


class Demo:
    """One run in one folder, which must be `claimed`."""

    def __init__(self, options: Options, folder: Path, device: str):
        self.options, self.folder, self.device = options, folder, device
        self.results = ResultFile(folder / "results.jsonl")
        videos = {"train": options.train_videos, "test": options.test_videos}
        self.clips = {split: motionshapes_clips(split, videos=count) for split, count in videos.items()}
        for split, clips in self.clips.items():
            clips.fill_cache(f"decoding {split}")

    def bandit(self, split: str, classifier: NetworkClassifier) -> ClipBandit:
        return ClipBandit(self.clips[split], classifier, MaskReward(self.options.gamma))

    def shipped_classifier(self) -> NetworkClassifier:
        return build_classifier(self.clips["train"], device=self.device)

    def judge(self, method: str, classifier: NetworkClassifier, act: Act, gmacs_selection: float = 0.0) -> None:
        """Evaluates a policy on the test videos, unless that was done before."""
        if method in self.results.results:
            return
        start = time.perf_counter()
        evaluation = evaluate(self.bandit("test", classifier), act, description=method)
        seconds = time.perf_counter() - start
        np.savez(self.folder / f"masks-{_slug(method)}.npz", u=evaluation.u, v=evaluation.v)
        self.results.add(
            summarise(method, evaluation, gmacs_selection=gmacs_selection, seconds=seconds, seed=self.options.seed)
        )

    def masks(self, method: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        with np.load(self.folder / f"masks-{_slug(method)}.npz", allow_pickle=False) as file:
            return file["u"], file["v"]

    def agent(self, classifier: NetworkClassifier, other: Policy | None = None, **options: Any) -> Ada3D:
        """Ada3D as the run has it, but for some options; `other` decides over a head that is not learned."""
        run_ = self.options
        schedule = {"epochs": run_.epochs, "joint_epochs": run_.joint_epochs, "classifier_lr": run_.classifier_lr}
        learning = Ada3DOptions(**schedule | options)
        return Ada3D(self.bandit("train", classifier), learning, seed=run_.seed, device=self.device, other=other)

    def ada3d(self) -> None:
        """Stage 1, stage 2 and their evaluations."""
        classifier = self.shipped_classifier()
        agent = self.agent(classifier)
        train_to(self.folder, "ada3d", agent, self.options.epochs)
        self.judge("Ada3D, stage 1 only", classifier, agent.act, agent.macs / 1e9)
        train_to(self.folder, "ada3d", agent, agent.total_epochs)
        agent.export(self.folder)
        save_weights(classifier.network, self.folder / "classifier.safetensors")
        self.judge("Ada3D", classifier, agent.act, agent.macs / 1e9)

    def references(self) -> None:
        """Upper, 2D only, and Random, before and after fine-tuning, at the MACs of the learned masks."""
        options = self.options
        classifier = self.shipped_classifier()
        bandit = self.bandit("train", classifier)
        frames, stages = bandit.num_frames, bandit.num_stages
        self.judge("Upper", classifier, Fixed.upper(frames, stages).act)
        self.judge("2D only", classifier, Fixed(np.ones(frames, np.bool_), np.zeros(stages, np.bool_)).act)
        policy = self.random(classifier)
        self.judge("Random", classifier, policy.act)
        trainer = ClassifierTrainer(classifier, options.classifier_lr)
        tuning = RandomFineTuning(bandit, policy, trainer, options.joint_epochs, Ada3DOptions.batch_size, options.seed)
        train_to(self.folder, "random-ft", tuning, options.joint_epochs)
        policy.reseed(spawn(options.seed, Stream.RANDOM_MATCHED, 1))
        self.judge("Random FT", classifier, policy.act)

    def random(self, classifier: NetworkClassifier) -> Random:
        """Masks that look at nothing, at the MACs of the learned ones."""
        return matched_random(*self.masks("Ada3D"), classifier.macs, spawn(self.options.seed, Stream.RANDOM_MATCHED, 0))

    def show(self) -> None:
        """Prints the table and draws the pictures."""
        results = [self.results.results[method] for method in METHODS]
        plot_accuracy(results, self.folder / "accuracy-macs.png")
        classifier = build_classifier(
            self.clips["test"], checkpoint=self.folder / "classifier.safetensors", device=self.device
        )
        draw_masks(self.bandit("test", classifier), *self.masks("Ada3D"), self.folder)
        print("\n" + table(results) + "\n")
        learned = self.results.results["Ada3D"]
        both = learned.gmacs + learned.gmacs_selection
        print(f"with its selection network, Ada3D spends {1e3 * both:.2f} MMACs")
        for family, usage in learned.by_family.items():
            print(f"Ada3D on {family} clips: {usage['frames']:.1f} frames, {usage['stages']:.1f} stages")
        print(f"results, pictures and logs: {self.folder}")


def _slug(method: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in method.lower())


def demo(
    seed: int = 0,
    quick: bool = False,
    device: str = "cpu",
    gamma: float = Options.gamma,
    epochs: int = Options.epochs,
    joint_epochs: int = Options.joint_epochs,
    classifier_lr: float = Options.classifier_lr,
    output: Path | None = None,
) -> None:
    """Trains Ada3D on MotionShapes and compares it with the paper's baselines.

    Args:
        seed: of everything random.
        quick: few videos and one epoch of each kind, to see every part run; its numbers mean nothing.
        device: where networks run.
        gamma: penalty of a wrong answer (Eq. 4); larger spends more.
        epochs: of stage 1.
        joint_epochs: of stage 2.
        classifier_lr: of the classifier in stage 2.
        output: folder of the run; runs/demo-… by default.
    """
    options = Options.of(
        seed, quick, gamma=gamma, epochs=epochs, joint_epochs=joint_epochs, classifier_lr=classifier_lr
    )
    folder = output or Path("runs") / f"demo-{'quick-' if quick else ''}seed{seed}"
    with one_thread(device), claimed(folder, asdict(options)):
        run_ = Demo(options, folder, device)
        run_.ada3d()
        run_.references()
        run_.show()


@contextmanager
def one_thread(device: str) -> Iterator[None]:
    """For networks this small, a second thread on a CPU costs twice the work and saves no time."""
    threads = torch.get_num_threads()
    if checked_device(device) == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    run(demo)
