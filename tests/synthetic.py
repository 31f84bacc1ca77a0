"""A bandit without videos or networks, whose every outcome is known: source and classifier as a user writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.rewards import MaskReward
from ada3d_gym.video.records import VideoRecord

Bits = NDArray[np.bool_]
Score = Callable[[int, Bits, Bits], Sequence[float]]
"""Class scores (C,) of a clip id under its masks u (T,) and v (K,)."""


class TableClips:
    """Clips of one brightness each, which tells their id.

    Args:
        labels: the classes of each video; several for multi-label videos.
        visible: which frames (T,) of the clips of each video show its class; all by default.
    """

    size = observation_size = 8

    def __init__(
        self,
        labels: Sequence[tuple[int, ...]],
        classes: int,
        *,
        num_frames: int,
        views: int = 1,
        families: Sequence[str] | None = None,
        visible: Sequence[Sequence[int]] | None = None,
    ):
        self.num_frames, self.views = num_frames, views
        self.class_names = tuple(f"class {c}" for c in range(classes))
        families = families or [""] * len(labels)
        self.records = [VideoRecord(Path(f"{i}.mp4"), labels[i], family=families[i]) for i in range(len(labels))]
        self.visible = np.array(visible or np.ones((len(labels), num_frames)), np.bool_)
        self.spacing = 255 // len(self)

    def __len__(self) -> int:
        return len(self.records) * self.views

    def record(self, clip: int) -> VideoRecord:
        return self.records[clip // self.views]

    def labels(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([self.record(i).labels[0] for i in ids])

    def targets(self, ids: NDArray[np.int64]) -> Bits:
        return np.array([[c in self.record(i).labels for c in range(len(self.class_names))] for i in ids])

    def visible_frames(self, ids: NDArray[np.int64]) -> Bits:
        return self.visible[ids // self.views]

    def clips(self, ids: NDArray[np.int64]) -> NDArray[np.uint8]:
        brightness = (ids * self.spacing).astype(np.uint8)[:, None, None, None, None]
        return np.tile(brightness, (1, self.num_frames, 3, self.size, self.size))

    def expect(self, ids: NDArray[np.int64]) -> None:
        pass

    def close(self) -> None:
        pass

    def observations(self, ids: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self.clips(ids)

    def full_size(self, clip: int) -> NDArray[np.uint8]:
        return np.moveaxis(self.clips(np.array([clip]))[0], 1, 3)


class LookupClassifier:
    """Scores from a function of the clip's id, which it reads off the pixels, and masks; one MAC for each kept bit."""

    def __init__(self, source: TableClips, score: Score, num_stages: int):
        self.source, self.score = source, score
        self.stage_names = tuple(f"stage {k}" for k in range(num_stages))

    def scores(self, clips: NDArray[np.uint8], u: Bits, v: Bits) -> NDArray[np.float32]:
        ids = (clips[:, 0, 0, 0, 0] // self.source.spacing).tolist()
        scores = np.array([self.score(i, *masks) for i, *masks in zip(ids, u, v, strict=True)], np.float32)
        return scores * u.any(1, keepdims=True)

    def macs(self, u: Bits, v: Bits) -> NDArray[np.int64]:
        return u.sum(1) + v.sum(1)


def needs(wanted: Sequence[tuple[Sequence[int], Sequence[int]]], labels: Sequence[int], classes: int) -> Score:
    """Right (0.9 sure) where a clip's masks hold all frames and stages that its entry in `wanted` names, else wrong."""

    def score(clip: int, u: Bits, v: Bits) -> list[float]:
        frames, stages = wanted[clip]
        right = u[list(frames)].all() and v[list(stages)].all()
        answer = labels[clip] if right else (labels[clip] + 1) % classes
        return [0.9 if c == answer else 0.1 / (classes - 1) for c in range(classes)]

    return score


def table_bandit(source: TableClips, score: Score, num_stages: int, gamma: float = 1.0) -> ClipBandit:
    return ClipBandit(source, LookupClassifier(source, score, num_stages), MaskReward(gamma))
