"""Trains the networks that ship with the package for MotionShapes, from a seed:

    ada3d pretrain --weights ada3d_gym/weights

1. the classifier in 2D (every stage off), side taps at zero: each frame by itself;
2. the classifier in 3D from there, now and then without a stage;
3. the selection network's trunk as a classifier, as the paper pre-trains its MobileNetV2.

Clips of any length are trained on, since a mean over eight frames of which one shows the class is no preparation for a
clip of that one alone.

Interrupted and started again, it goes on after the last finished epoch.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.datasets import motionshapes_clips
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.evaluation import Evaluation
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.folders import claimed
from ada3d_gym.experiments.scratch.judging import EVERYTHING, LEAST, SOME, under_masks
from ada3d_gym.experiments.scratch.masks import DrawMasks, no_masks, random_masks
from ada3d_gym.experiments.scratch.phase import Phase, PhaseTraining
from ada3d_gym.experiments.scratch.sharing import BatchDraws
from ada3d_gym.experiments.training import train_to
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.masked import zero_side_taps
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.selection import ClipTrunk
from ada3d_gym.networks.spec import I3D_TINY
from ada3d_gym.rewards import MaskReward
from ada3d_gym.seeding import spawn, torch_seed
from ada3d_gym.shipped import CLASSIFIER, SELECTION
from ada3d_gym.video.motionshapes.drawing import CLASSES
from ada3d_gym.video.transforms import jitter_colours


def masks(stages: float) -> DrawMasks:
    """Any number of frames, each stage with this probability, and half of the clips at every second frame."""
    return random_masks(I3D_TINY.num_stages, stages, halves=True)


def changed(clips: Tensor, labels: Tensor, draws: BatchDraws) -> tuple[Tensor, Tensor]:
    """Clips in other colours, mirrored and turned, and their labels after that."""
    return turned(jitter_colours(clips, draws.generator), labels, draws.generator)


def turned(clips: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Square clips (B, T, 3, H, W) mirrored and turned by right angles at random, and their labels (B,) after that.

    What goes left goes up when it is turned; what turns clockwise turns the other way in a mirror.
    """
    draws = torch.randint(8, (len(clips),), generator=generator, device=clips.device)
    clips, labels = clips.clone(), labels.clone()
    for way in draws.unique().tolist():
        rows = draws == way
        mirror, quarters = divmod(way, 4)
        part = clips[rows].flip(4) if mirror else clips[rows]
        clips[rows] = part.rot90(quarters, (3, 4))
        for step, times in ((_MIRRORED, mirror), (_TURNED, quarters)):
            for _ in range(times):
                labels[rows] = step.to(labels.device)[labels[rows]]
    return clips, labels


def _classes_after(change: dict[str, str]) -> Tensor:
    """The class (C,) that each class becomes."""
    return torch.tensor([CLASSES.index(change.get(name, name)) for name in CLASSES])


_MIRRORED = _classes_after(
    {"left": "right", "right": "left", "clockwise": "counterclockwise", "counterclockwise": "clockwise"}
)
_TURNED = _classes_after({"right": "up", "up": "left", "left": "down", "down": "right"})  # counterclockwise


def report(test: ClipBandit, seed: int) -> dict[str, Evaluation]:
    """The classifier under masks that look at nothing: how good it is, how brittle, and what one frame tells."""
    return under_masks(test, seed, EVERYTHING, SOME, LEAST)


def show(title: str, reports: dict[str, Evaluation]) -> None:
    print(title)
    for name, result in reports.items():
        families = ", ".join(f"{family} {usage.clip_top1:.1%}" for family, usage in result.by_family.items())
        print(f"  {name}: videos {result.top1:.1%}; clips {result.usage.clip_top1:.1%} ({families})")


def pretrain(
    seed: int = 0,
    output: Path = Path("runs/pretrain"),
    weights: Path | None = None,
    device: str = "cpu",
    epochs_2d: int = 16,
    epochs_3d: int = 24,
    epochs_selection: int = 16,
    videos: int | None = None,
) -> None:
    """Trains the classifier and the selection trunk for MotionShapes.

    Args:
        seed: of weights, order and masks.
        output: folder for what an interrupted run goes on from.
        weights: folder for the finished weights; `output` by default.
        device: where to train.
        epochs_2d: with every stage off.
        epochs_3d: with stages on.
        epochs_selection: of the selection network's trunk.
        videos: train on the first so many videos only.
    """
    on = torch.device(checked_device(device))
    counts = {"epochs_2d": epochs_2d, "epochs_3d": epochs_3d, "epochs_selection": epochs_selection}
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"{name}={count}: expected at least 1")
    with claimed(output, {"seed": seed, "videos": videos, **counts}):
        clips = motionshapes_clips("train", videos=videos)
        long_clips = motionshapes_clips("train", num_frames=16, videos=videos)
        for each in (clips, long_clips):
            each.fill_cache("decoding train")
        test_clips = motionshapes_clips("test", videos=videos and min(videos, 700))
        test_clips.fill_cache("decoding test")
        weights = weights or output
        classes = len(clips.class_names)

        with torch_seed(spawn(seed, 0)):
            network = MaskedResNet3d(I3D_TINY, classes, dropout=0.0)
            trunk = ClipTrunk(clips.num_frames, "mobilenet_v2_tiny")
            probe = nn.Sequential(trunk, nn.Linear(trunk.features, classes))
        zero_side_taps(network)
        classifier = NetworkClassifier(network, clips.size, device=on)
        test = ClipBandit(test_clips, classifier, MaskReward())

        flat = Phase("classifier in 2D", epochs_2d, 8e-3, masks(0.0))
        learner = PhaseTraining(network, flat, long_clips, changed, (seed, 3), on)
        train_to(output, "classifier-2d", learner, epochs_2d)
        show("2D network on the test videos (chance on motion clips is 16.7 %):", report(test, seed))

        deep = Phase("classifier in 3D", epochs_3d, 4e-3, masks(0.9))
        learner = PhaseTraining(network, deep, long_clips, changed, (seed, 4), on)
        train_to(output, "classifier-3d", learner, epochs_3d)
        reports = report(test, seed)
        show("3D network on the test videos:", reports)
        summary = {name: round(result.top1, 4) for name, result in reports.items()}
        metadata = {"command": f"python -m experiments.pretrain --seed {seed}", "test_top1": json.dumps(summary)}
        save_weights(network, weights / CLASSIFIER.name, metadata)

        selection = Phase("selection trunk", epochs_selection, 4e-3, no_masks)
        learner = PhaseTraining(probe.to(on), selection, clips, changed, (seed, 5), on)
        train_to(output, "selection", learner, epochs_selection)
        save_weights(trunk, weights / SELECTION.name, {"command": metadata["command"]})


if __name__ == "__main__":
    run(pretrain)
