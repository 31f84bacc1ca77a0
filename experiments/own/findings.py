"""What trained runs say of the test videos, one by one, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.agents.search import read_constants
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.envs.codings import spread
from ada3d_gym.evaluation import scores_of_videos
from ada3d_gym.experiments.judging import Trial, load_masks
from ada3d_gym.experiments.own.runs import AGENT, LEARNED, SAME_OPERATIONS, Runs
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.experiments.results import Result
from ada3d_gym.experiments.runs import PRETRAINED
from ada3d_gym.prediction.config import CLASSIFIER
from ada3d_gym.protocols import FallibleSource

Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """What a method said of the test videos.

    Attributes:
        labels, predictions: (V,) class indices.
        sure: (V,) probability of the prediction, in [0, 1].
    """

    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    sure: NDArray[np.float32]

    @property
    def right(self) -> Bits:
        """(V,)"""
        right: Bits = self.labels == self.predictions
        return right

    def confusion(self, classes: int) -> NDArray[np.int64]:
        """(C, C) numbers of videos: a row a class, a column an answer."""
        counts = np.zeros((classes, classes), np.int64)
        np.add.at(counts, (self.labels, self.predictions), 1)
        return counts


@dataclass(frozen=True)
class Point:
    """A constant mask on the test videos, with the classifier as it was before any mask was learned.

    Attributes:
        mask: T + K zeros and ones.
        macs: of a clip.
        top1: percent, of videos.
    """

    mask: str
    macs: int
    top1: float


@dataclass(frozen=True)
class Findings:
    """All that a report says of a start.

    Attributes:
        results: by method.
        upper, learned: what these two said.
        constants: by rising operations.
        bandit: of the test clips, with the classifier as the policy has left it.
        ids: (N,) of the clips that could be judged.
        u, v: the policy's masks (N, T) and (N, K) of these.
    """

    results: Mapping[str, Result]
    upper: Answers
    learned: Answers
    constants: tuple[Point, ...]
    bandit: ClipBandit
    ids: NDArray[np.int64]
    u: Bits
    v: Bits

    @property
    def videos(self) -> int:
        return len(self.upper.labels)

    def interval(self, method: str) -> tuple[float, float]:
        """95 % interval (Wilson) of a method's accuracy on videos of this kind, in percent."""
        return wilson(round(self.results[method].top1 * self.videos / 100), self.videos)

    @property
    def saved(self) -> float:
        """Share of Upper's operations that the policy saves, the selection network counted; below 0 where it costs."""
        return 1 - self.results[LEARNED].gmacs_total / self.results["Upper"].gmacs_total

    @property
    def time_saved(self) -> float | None:
        """Likewise of the measured time of a clip."""
        upper, learned = (self.results[name].milliseconds for name in ("Upper", LEARNED))
        return None if upper is None or learned is None else 1 - learned / upper

    @property
    def best_rival(self) -> tuple[str, float]:
        """The best constant within the policy's total operations, fine-tuned or not, and its top-1."""
        within = [point for point in self.constants if point.macs <= 1e9 * self.results[LEARNED].gmacs_total]
        found = {SAME_OPERATIONS: self.results[SAME_OPERATIONS].top1}
        if within:
            best = max(within, key=lambda point: point.top1)
            found[f"the mask {best.mask} without fine-tuning"] = best.top1
        name = max(found, key=lambda each: found[each])
        return name, found[name]


def wilson(right: int, count: int) -> tuple[float, float]:
    """95 % interval of a share in percent."""
    from scipy.stats import binomtest  # takes a second to import, and most commands end before

    low, high = binomtest(right, count).proportion_ci(method="wilson")
    return 100 * float(low), 100 * float(high)


def gather(runs: Runs, results: Mapping[str, Result]) -> Findings:
    """Asks the networks once more, video by video."""
    run_ = read_run(runs.model, trust=True)
    before = Trial.prepare(run_, "test", runs.device, checkpoint=runs.model / PRETRAINED).bandit
    after = Trial.prepare(run_, "test", runs.device, checkpoint=runs.model / CLASSIFIER).bandit
    ids = _judged(before)
    u, v = load_masks(runs.model, AGENT)
    everything = _all_of(before, "1" * (before.num_frames + before.num_stages), len(ids))
    found = Findings(
        results,
        _answers(before, ids, *everything),
        _answers(after, ids, u, v),
        tuple(_constants(before, ids, runs.search)),
        after,
        ids,
        u,
        v,
    )
    before.source.close()
    return found


def _judged(bandit: ClipBandit) -> NDArray[np.int64]:
    ids = np.arange(len(bandit.source))
    assert isinstance(bandit.source, FallibleSource)
    bad = bandit.source.undecodable(ids)
    return np.array([clip for clip in ids.tolist() if clip not in bad], np.int64)


def _all_of(bandit: ClipBandit, mask: str, count: int) -> tuple[Bits, Bits]:
    bits = np.tile(np.array(list(mask)) == "1", (count, 1))
    return bits[:, : bandit.num_frames], bits[:, bandit.num_frames :]


def _answers(bandit: ClipBandit, ids: NDArray[np.int64], u: Bits, v: Bits, batch: int = 128) -> Answers:
    parts = [
        bandit.pull(ids[start : start + batch], u[start : start + batch], v[start : start + batch]).scores
        for start in range(0, len(ids), batch)
    ]
    videos, scores = scores_of_videos(np.concatenate(parts), ids // bandit.source.views)
    labels = bandit.source.labels(videos * bandit.source.views)
    return Answers(labels, scores.argmax(1), scores.max(1))


def _constants(bandit: ClipBandit, ids: NDArray[np.int64], search: Path) -> list[Point]:
    """The front that the search found on training clips, and evenly spread frames without and with all 3D stages."""
    frames, stages = bandit.num_frames, bandit.num_stages
    masks = {constant.mask for constant in read_constants(search)}
    for kept in range(1, frames + 1):
        chosen = spread(frames, kept)
        text = "".join("1" if frame in chosen else "0" for frame in range(frames))
        masks |= {text + "0" * stages, text + "1" * stages}
    points = []
    for mask in masks:
        u, v = _all_of(bandit, mask, len(ids))
        right = _answers(bandit, ids, u, v).right
        points.append(Point(mask, int(bandit.classifier.macs(u[:1], v[:1])[0]), 100 * float(right.mean())))
    return sorted(points, key=lambda point: (point.macs, point.mask))
