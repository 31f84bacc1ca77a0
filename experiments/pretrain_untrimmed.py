"""Trains the classifier that ships for untrimmed MotionShapes, from that of MotionShapes:

    ada3d pretrain-untrimmed --weights ada3d_gym/weights

It sees clips from all over the training videos, each with its video's label, as one trains on FCVID: of a clip that
does not show its class it can only learn that nothing is to be known. Masks and clip lengths are those of
`ada3d pretrain`.

Interrupted and started again, it goes on after the last finished epoch.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_clips
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.folders import claimed
from ada3d_gym.experiments.pretrain import changed, masks, report, show
from ada3d_gym.experiments.scratch.phase import Phase, PhaseTraining
from ada3d_gym.experiments.training import train_to
from ada3d_gym.networks.checkpoints.weights import load_weights, save_weights
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_TINY
from ada3d_gym.rewards import MaskReward
from ada3d_gym.shipped import CLASSIFIER, UNTRIMMED_CLASSIFIER
from ada3d_gym.video.motionshapes import UNTRIMMED


def pretrain_untrimmed(
    seed: int = 0,
    output: Path = Path("runs/pretrain-untrimmed"),
    weights: Path | None = None,
    device: str = "cpu",
    epochs: int = 24,
    lr: float = 1e-3,
    videos: int | None = None,
) -> None:
    """Trains the classifier for untrimmed MotionShapes.

    Args:
        seed: of order and masks.
        output: folder for what an interrupted run goes on from.
        weights: folder for the finished weights; `output` by default.
        device: where to train.
        epochs: an epoch shows one clip of each video.
        lr: of AdamW; a cosine takes it to zero.
        videos: train on the first so many videos only.
    """
    on = torch.device(checked_device(device))
    if epochs < 1:
        raise InputError(f"epochs={epochs}: expected at least 1")
    with claimed(output, {"seed": seed, "videos": videos, "epochs": epochs, "lr": lr}):
        clips = build_clips(UNTRIMMED.name, split="train", num_frames=16, videos=videos)
        val_clips = build_clips(UNTRIMMED.name, split="val", videos=videos and min(videos, UNTRIMMED.splits["val"]))
        for each, split in ((clips, "train"), (val_clips, "val")):
            each.fill_cache(f"decoding {split}")
        network = MaskedResNet3d(I3D_TINY, len(clips.class_names), dropout=0.0)
        load_weights(network, CLASSIFIER)
        classifier = NetworkClassifier(network, clips.size, device=on)
        val = ClipBandit(val_clips, classifier, MaskReward())
        show("before, on the validation videos:", report(val, seed))
        phase = Phase("classifier on untrimmed videos", epochs, lr, masks(0.9))
        train_to(output, "classifier", PhaseTraining(network, phase, clips, changed, (seed, 6), on), epochs)
        classifier.invalidate()
        reports = report(val, seed)
        show("after, on the validation videos:", reports)
        metadata = {
            "command": f"python -m experiments.pretrain_untrimmed --seed {seed}",
            "val_top1": json.dumps({name: round(result.top1, 4) for name, result in reports.items()}),
        }
        save_weights(network, (weights or output) / UNTRIMMED_CLASSIFIER.name, metadata)


if __name__ == "__main__":
    run(pretrain_untrimmed)
