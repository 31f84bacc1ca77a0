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
    from ada3d_gym.untrimmed.core import LookReward, Range
    from ada3d_gym.untrimmed.protocols import VideoLooks
    from ada3d_gym.video.motionshapes.halves import Classes
    from ada3d_gym.video.sampling import Sampling


class PlaceOptions(TypedDict, total=False):
    """How evenly spread clips are read: those arguments of `ada3d_gym.datasets.video_clips` that concern them."""

    data_root: str | Path | None
    stride: int
    size: int | None
    observation_size: int | None
    sampling: Sampling
    strict: bool
    max_bad_share: float
    cache_bytes: int
    workers: int | None
    ahead_bytes: int


class ReadingOptions(PlaceOptions, total=False):
    """How clips are read: arguments of `ada3d_gym.datasets.video_clips`, and of `embedded_clips` for embedded sets."""

    flip: bool
    protocol: Protocol | None
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


class LookOptions(PlaceOptions, total=False):
    """All arguments of `ada3d_gym.untrimmed.building.build_looks`, which says what they mean."""

    dataset: str
    split: str
    videos: int | None
    num_frames: int
    places: int | None
    backbone: str
    checkpoint: str | Path | None
    selection: str | Path | None
    features: str | Path | None
    device: str
    classifier: NetworkClassifier | None
    folder: str | Path | None
    memory_bytes: int


class LookingOptions(LookOptions, total=False):
    """All arguments of `ada3d_gym.untrimmed.building.build_core`, and so of the environments of clip selection."""

    looks: VideoLooks | None
    steps: int
    price: float
    reward: LookReward
    gamma: float
    memory: bool
    flat: bool
    actions: Range
