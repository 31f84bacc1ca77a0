"""How fast this machine decodes, trains and classifies: a few real steps, timed before anything is promised."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from ada3d_gym.building import build_trunk
from ada3d_gym.experiments.estimates.machine import free_memory
from ada3d_gym.experiments.estimates.maps import saved_maps
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.families import make_network
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.seeding import torch_seed
from ada3d_gym.video.clips import VideoClips

BATCH = 32  # clips in a timed step, as in most of the training's; fewer where they would not fit into memory
SHARE = 0.5  # of the free memory that a timed step may take
DECODED = 12  # clips


@dataclass(frozen=True)
class Speeds:
    """Seconds for one clip.

    Attributes:
        decode: from the file to its pixels, on two threads.
        train: a training step of the classifier, under masks that keep half.
        pull: the classifier's answer under such masks.
        policy: a training step of the selection network.
        macs: multiply-accumulates of the classifier with everything kept.
    """

    decode: float
    train: float
    pull: float
    policy: float
    macs: int


def measure(
    clips: VideoClips, backbone: str, observation_size: int, device: str, videos: Sequence[int] | None = None
) -> Speeds:
    """Times one or two steps of each kind on random weights.

    Args:
        clips: random ones of the training videos, none decoded so far.
        backbone: name in `ada3d_gym.networks.spec.SPECS`.
        observation_size: side of the frames that the selection network sees, in pixels.
        device: where networks run.
        videos: numbers of those that are decoded; some, evenly spread, by default.
    """
    if videos is None:
        videos = np.linspace(0, len(clips.records) - 1, min(DECODED, len(clips.records))).astype(int).tolist()
    ids = np.array([video * clips.views for video in videos], np.int64)
    start = time.perf_counter()
    clips.undecodable(ids)
    decode = (time.perf_counter() - start) / len(ids)
    rng = np.random.default_rng(0)
    frames, size = clips.num_frames, clips.size
    batch = fitting(backbone, frames, size, device)
    pixels = rng.integers(0, 256, (batch, frames, 3, size, size), dtype=np.uint8)
    with torch_seed(np.random.SeedSequence(0)):
        network = make_network(SPECS[backbone], len(clips.class_names))
        trunk = build_trunk(frames, observation_size, "random")
        selection = torch.nn.Sequential(trunk, torch.nn.Linear(trunk.features, frames)).to(device)
    classifier = NetworkClassifier(network, size, device=device)
    stages = len(classifier.stage_names)
    u, v = rng.random((batch, frames)) < 0.5, rng.random((batch, stages)) < 0.5
    u[:, 0] = True
    trainer = ClassifierTrainer(classifier, 1e-4, freeze_batch_norm=False)
    targets = np.eye(len(clips.class_names), dtype=np.bool_)[rng.integers(0, len(clips.class_names), batch)]
    seen = torch.from_numpy(
        rng.integers(0, 256, (batch, frames, 3, observation_size, observation_size), dtype=np.uint8)
    ).to(device)

    def learn_policy() -> None:
        F.cross_entropy(selection(seen), torch.zeros(batch, dtype=torch.long, device=device)).backward()

    return Speeds(
        decode=decode,
        train=_seconds(lambda: trainer.step(pixels, u, v, targets), batch),
        pull=_seconds(lambda: classifier.scores(pixels, u, v), batch),
        policy=_seconds(learn_policy, batch),
        macs=int(classifier.macs(np.ones((1, frames), np.bool_), np.ones((1, stages), np.bool_))[0]),
    )


def fitting(backbone: str, frames: int, size: int, device: str) -> int:
    """Clips in a timed step."""
    each = saved_maps(SPECS[backbone], size, frames)
    return max(1, min(BATCH, int(SHARE * free_memory(device) / each)))


def _seconds(step: Callable[[], object], clips: int) -> float:
    """Of a clip of a step of so many; the first is slower, and does not count."""
    step()
    start = time.perf_counter()
    step()
    step()
    return (time.perf_counter() - start) / (2 * clips)
