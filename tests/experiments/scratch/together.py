"""A training from scratch in as many processes as there are: python -m tests.experiments.scratch.together FILE."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from ada3d_gym import parallel
from ada3d_gym.datasets import motionshapes_clips
from ada3d_gym.experiments.scratch.augmenting import augmented
from ada3d_gym.experiments.scratch.masks import random_masks
from ada3d_gym.experiments.scratch.phase import Phase, PhaseTraining
from ada3d_gym.experiments.scratch.sharing import BatchDraws
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.seeding import Stream, spawn, torch_seed

TOGETHER = 4  # clips in one pass, of all processes


def trained(path: Path) -> None:
    """Writes the state of a small network after updates of five and four clips, one pass of a single clip."""
    with parallel.joined("cpu"):
        with torch_seed(spawn(0, Stream.CLASSIFIER_WEIGHTS)):
            network = MaskedResNet3d(SPECS["i3d_tiny"], 14, dropout=0.0).double()  # sums hardly hang on their order
        source = motionshapes_clips("train", videos=9, views=1)
        masks = random_masks(network.num_stages, 0.9, whole=0.25)
        phase = Phase("p", 1, 1e-3, masks, 5, micro_batch=TOGETHER // parallel.world(), average=0.9, seconds=1e6)

        def change(clips: Tensor, labels: Tensor, draws: BatchDraws) -> tuple[Tensor, Tensor]:
            return augmented(clips, 32, draws, zoom=(1.0, 1.25), colour=0.2, flip=True), labels

        learner = PhaseTraining(network, phase, source, change, (0, 1), "cpu")
        learner.learn(1, lambda epoch, figures: None)
        if parallel.rank() == 0:
            torch.save(
                learner.state_dict()["module"] | {f"mean {key}": each for key, each in learner.mean.items()}, path
            )


if __name__ == "__main__":
    trained(Path(sys.argv[1]))
