"""What a policy that chooses clips is worth on all videos of a split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from ada3d_gym.metrics import mean_average_precision, top1
from ada3d_gym.untrimmed.protocols import LookPolicy, VideoLooks


@dataclass(frozen=True)
class Judgement:
    """Of all videos of a split.

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


def judge(policy: LookPolicy, looks: VideoLooks, *, batch: int = 256) -> Judgement:
    """Judges a policy on all videos, `batch` at a time; the result does not depend on their number."""
    scores, counts, macs = [], [], []
    for start in tqdm(range(0, len(looks), batch), desc="judging", unit="batch", leave=False, disable=None):
        looked = policy.look(looks, np.arange(start, min(start + batch, len(looks)), dtype=np.int64))
        scores.append(looked.scores)
        counts.append(looked.counts)
        macs.append(looked.macs)
    predicted, count = np.concatenate(scores), np.concatenate(counts)
    targets = looks.targets(np.arange(len(looks), dtype=np.int64))
    return Judgement(
        map=100 * mean_average_precision(predicted, targets),
        top1=100 * top1(predicted, targets),
        clips=float(count.mean()),
        macs=float(np.concatenate(macs).mean()),
        counts=tuple(np.bincount(count).tolist()),
    )
