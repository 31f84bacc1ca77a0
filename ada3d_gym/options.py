"""The keyword arguments of environments, `gym.make(id, …)`, by name and type, for editors and type checkers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from ada3d_gym.bandit import Order
    from ada3d_gym.datasets import Protocol
    from ada3d_gym.networks.classifier import NetworkClassifier
    from ada3d_gym.observers import Observation
    from ada3d_gym.precision import Precision
    from ada3d_gym.rewards import Cost, Reward, Shaping
    from ada3d_gym.video.motionshapes.halves import Classes
    from ada3d_gym.video.sampling import Sampling


class ReadingOptions(TypedDict, total=False):
    """How clips are read: arguments of `ada3d_gym.datasets.video_clips`, and of `embedded_clips` for embedded sets."""

    data_root: str | Path | None
    stride: int
    size: int | None
    observation_size: int | None
    sampling: Sampling
    flip: bool
    strict: bool
    protocol: Protocol | None
    max_bad_share: float
    cache_bytes: int
    workers: int | None
    ahead_bytes: int
    seed: int
    classes: Classes | None


class BanditOptions(ReadingOptions, total=False):
    """All arguments of `ada3d_gym.building.build_bandit`, which says what they mean."""

    dataset: str
    split: str
    num_frames: int
    views: int | None
    videos: int | None
    backbone: str
    checkpoint: str | Path | None
    gamma: float
    cost: Cost
    reward: Shaping | str | Reward | type[Reward]
    observation: Observation
    features: str | Path | None
    order: Order
    device: str
    classifier: NetworkClassifier | None
    outcomes: str | Path | None
    precision: Precision | None
