"""What a policy that chooses clips is worth on all videos of a split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.agents.looking.stopping import Floats, Stopping, Watch
from ada3d_gym.metrics import mean_average_precision, top1
from ada3d_gym.progress import Progress
from ada3d_gym.protocols import FallibleSource
from ada3d_gym.untrimmed.protocols import LookPolicy, VideoLooks

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Judgement:
    """Of all videos of a split that can be decoded.

    Attributes:
        map: mean average precision over classes, in per cent.
        top1: share of videos whose likeliest class is one of their labels, in per cent.
        clips: mean number of clips looked at.
        macs: mean multiply-accumulates of a video in all: looks, memory, and the policy's own network.
        counts: how many videos were looked at 0, 1, … times.
    """

    map: float
    top1: float
    clips: float
    macs: float
    counts: tuple[int, ...]

    @classmethod
    def of(cls, scores: Floats, counts: Ids, macs: Ids, targets: NDArray[np.bool_]) -> Judgement:
        """Of V videos: final scores (V, C), looks (V,), multiply-accumulates (V,) and labels (V, C)."""
        return cls(
            map=100 * mean_average_precision(scores, targets),
            top1=100 * top1(scores, targets),
            clips=float(counts.mean()),
            macs=float(macs.mean()),
            counts=tuple(np.bincount(counts).tolist()),
        )


def judge(policy: LookPolicy, looks: VideoLooks, *, batch: int = 256) -> Judgement:
    """Judges a policy on all videos, `batch` at a time; the result does not depend on their number."""
    looked = [policy.look(looks, videos) for videos in _batches(looks, batch)]
    return Judgement.of(
        np.concatenate([each.scores for each in looked]),
        np.concatenate([each.counts for each in looked]),
        np.concatenate([each.macs for each in looked]),
        looks.targets(judged_videos(looks)),
    )


def judged_videos(looks: VideoLooks) -> Ids:
    """All videos that can be decoded."""
    videos = np.arange(len(looks), dtype=np.int64)
    bad = looks.undecodable(videos) if isinstance(looks, FallibleSource) else {}
    return videos[~np.isin(videos, list(bad))]


@dataclass(frozen=True)
class Unrolled:
    """A policy's K looks at all videos of a split, so that any rule can be judged that would have stopped it earlier.

    Attributes:
        scores: float32 (V, K, C), the class probabilities after each look.
        utility: float32 (V, K), V_t after each look.
        macs: int64 (V, K), of a video that is left after each look.
        targets: bool (V, C).
    """

    scores: Floats
    utility: Floats
    macs: Ids
    targets: NDArray[np.bool_]

    def judge(self, stopping: Stopping) -> Judgement:
        """As `judge` judges the policy with this rule."""
        videos, steps, _ = self.scores.shape
        watch, counts = stopping(videos), np.full(videos, steps, np.int64)
        for step in range(steps):
            counts[watch(self.scores[:, step], self.utility[:, step]) & (counts == steps)] = step + 1
        rows = np.arange(videos)
        return Judgement.of(self.scores[rows, counts - 1], counts, self.macs[rows, counts - 1], self.targets)


def unroll(
    made: Callable[[Stopping], LookPolicy], looks: VideoLooks, own_macs: int = 0, *, batch: int = 256
) -> Unrolled:
    """Lets a policy look as often as it may.

    Args:
        made: the policy with a rule to stop; of one that depends on the rule in nothing but when it stops.
        looks: the videos.
        own_macs: of the policy's own network for each look.
        batch: videos at a time.
    """
    parts = []
    for videos in _batches(looks, batch):
        seen = _Recorder()
        looked = made(seen).look(looks, videos)
        paid = np.stack([looks.at(videos, place).macs for place in looked.places.T], 1) + own_macs  # (B, K)
        before = looked.macs - paid.sum(1)
        parts.append((np.stack(seen.scores, 1), np.stack(seen.utility, 1), before[:, None] + paid.cumsum(1)))
    scores, utility, macs = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Unrolled(scores, utility, macs, looks.targets(judged_videos(looks)))


class _Recorder:
    """A rule that never stops, and keeps what it is told after each look."""

    def __init__(self) -> None:
        self.scores: list[Floats] = []
        self.utility: list[Floats] = []

    def __call__(self, count: int) -> Watch:
        def after_look(scores: Floats, utility: Floats) -> NDArray[np.bool_]:
            self.scores.append(scores.copy())
            self.utility.append(utility.copy())
            return np.zeros(count, np.bool_)

        return after_look


def _batches(looks: VideoLooks, size: int) -> Iterator[Ids]:
    videos = judged_videos(looks)
    with Progress(len(videos), "judging", "video") as shown:
        for start in range(0, len(videos), size):
            yield videos[start : start + size]
            shown.add(len(videos[start : start + size]))
