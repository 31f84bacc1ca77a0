"""From names and paths, which a registered environment can hold, to the live core."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.datasets import EMBEDDED, VIDEO_SETS, motionshapes_clips, video_clips
from ada3d_gym.networks.checkpoints import SHIPPED, load_weights
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.loading import load_checkpoint
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.rewards import UsageReward
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.motionshapes_drawing import CLASSES

CLASSIFIER_WEIGHTS = SHIPPED / "i3d_tiny-motionshapes.safetensors"
SELECTION_WEIGHTS = SHIPPED / "selection-motionshapes.safetensors"


def build_bandit(
    *,
    dataset: str = EMBEDDED,
    split: str = "train",
    num_frames: int = 8,
    views: int | None = None,
    videos: int | None = None,
    backbone: str = "i3d_tiny",
    checkpoint: str | Path | None = None,
    gamma: float = 1.0,
    device: str = "cpu",
    **reading: Any,
) -> ClipBandit:
    """A bandit over clips of a data set.

    Args:
        dataset: "motionshapes", or a name in `ada3d_gym.datasets.VIDEO_SETS`.
        split, num_frames, views, videos: see `motionshapes_clips` and `video_clips`.
        backbone: the 3D network's name in `ada3d_gym.networks.spec.SPECS`.
        checkpoint: its weights, a file that `load_checkpoint` reads; for MotionShapes, the shipped ones by default.
        gamma: penalty of a wrong answer (Eq. 4).
        device: where the network runs.
        reading: the other arguments of `video_clips` (data_root, size, stride, sampling, flip, …).
    """
    reward = UsageReward(gamma)
    clips = build_clips(dataset, split=split, num_frames=num_frames, views=views, videos=videos, **reading)
    return ClipBandit(clips, build_classifier(clips, backbone, checkpoint, device), reward)


def build_clips(dataset: str, **options: Any) -> VideoClips:
    """Clips of a data set by its name; options of `motionshapes_clips` or `video_clips`."""
    if dataset in VIDEO_SETS:
        return video_clips(dataset, **options)
    if dataset != EMBEDDED:
        raise ValueError(f"unknown data set {dataset!r}: expected {EMBEDDED}, {', '.join(VIDEO_SETS)}")
    return motionshapes_clips(**options)


def build_classifier(
    clips: VideoClips, backbone: str = "i3d_tiny", checkpoint: str | Path | None = None, device: str = "cpu"
) -> NetworkClassifier:
    """The masked 3D network for clips; arguments as in `build_bandit`."""
    if backbone not in SPECS:
        raise ValueError(f"unknown backbone {backbone!r}: expected one of {', '.join(SPECS)}")
    if checkpoint is None and (backbone != "i3d_tiny" or clips.class_names != CLASSES):
        raise ValueError(
            f"no weights ship for {backbone} and these videos: give checkpoint=, a file that docs/checkpoints.md lists"
        )
    network = MaskedResNet3d(SPECS[backbone], len(clips.class_names))
    if checkpoint is None:
        load_weights(network, CLASSIFIER_WEIGHTS)
    else:
        report = load_checkpoint(network, checkpoint)
        if report.replaced:
            warnings.warn(
                f"{report.path}: the head is {report.head}, and must be trained before rewards mean anything",
                stacklevel=2,
            )
    return NetworkClassifier(network, clips.size, device=device)
