"""Judging a policy on every clip of a split, as the paper does: clip scores averaged into video scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym import parallel
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import DivergedError
from ada3d_gym.masks import split_mask
from ada3d_gym.metrics import mean_average_precision, top1
from ada3d_gym.partial import Judged, Parts
from ada3d_gym.profiling import section, timed
from ada3d_gym.progress import Progress
from ada3d_gym.protocols import ClipAnswers, ClipSource, FallibleSource
from ada3d_gym.video.records import VideoError

Act = Callable[[NDArray[Any]], NDArray[Any]]
"""Observations (B, …), as the bandit's observer shows them, to flat masks (B, T + K) of zeros and ones."""


@dataclass(frozen=True)
class Usage:
    """Means over clips: top-1 of single clips, MACs of the classifier, kept frames and stages."""

    clip_top1: float
    macs: float
    frames: float
    stages: float


@dataclass(frozen=True)
class LeftOut:
    """What could not be judged because it could not be decoded.

    Attributes:
        clips: how many; all other figures are without them.
        videos: how many were left out whole, having no clip that could be decoded.
        files: the bad files, with what is wrong with the first bad clip of each.
    """

    clips: int = 0
    videos: int = 0
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """What a policy did on a split.

    Attributes:
        top1, map: of videos, their clips' scores averaged; in [0, 1]. On an outcome table, which has no scores, map is
            NaN, and so is top1 where videos have more than one clip: judge on the live network for these.
        usage: means over all clips that were judged.
        by_family: the same for each family of classes, where the data set knows families.
        by_class: the same for the clips of each class that occurs, by first label.
        reward: mean over clips, as the bandit pays.
        distinct_masks: how many different masks the policy chose.
        visible_kept, visible_chance: share of the kept frames that show the clip's class, and what share of all frames
            does, over the clips in which some frames do not.
        u, v: the masks, (clips, T) and (clips, K) bool, in clip order, of the clips that were judged.
        correct: (clips,) bool, likewise.
        left_out: the clips that were not judged.
        regret: mean over clips, on an outcome table; None where it is not known.
    """

    top1: float
    map: float
    usage: Usage
    by_family: dict[str, Usage]
    by_class: dict[str, Usage]
    reward: float
    distinct_masks: int
    visible_kept: float
    visible_chance: float
    u: NDArray[np.bool_]
    v: NDArray[np.bool_]
    correct: NDArray[np.bool_]
    left_out: LeftOut = field(default_factory=LeftOut)
    regret: float | None = None


@timed("evaluation")
def evaluate(
    bandit: ClipBandit,
    act: Act,
    *,
    batch_size: int = 128,
    description: str = "evaluating",
    resume: Path | None = None,
    interpolated: bool = False,
) -> Evaluation:
    """Runs a policy on every clip of the bandit's source; of several processes, each takes its part of the batches.

    Clips that cannot be decoded are left out, where the source allows for any (`VideoClips`'s `max_bad_share`, and
    then however many): a video is then judged by its other clips, or not at all.

    Args:
        bandit: whose source is a test split.
        act: the policy.
        batch_size: clips at a time.
        description: for the progress bar.
        interpolated: of the average precision, see `mean_average_precision`.
        resume: a folder for what has been judged so far: interrupted and called again with the same one, the evaluation
            goes on; at its end, the folder is removed. It belongs to one policy, classifier, reward and list of clips;
            a policy that draws its masks draws others than it would have. On an outcome table nothing is kept.

    Raises:
        VideoError: if no clip can be decoded, or the first that cannot where the source allows for none.
        DivergedError: if the classifier's scores are not finite.

    Example:
        >>> from ada3d_gym.building import build_bandit
        >>> from ada3d_gym.evaluation import evaluate
        >>> bandit = build_bandit(split="test", videos=14)
        >>> every_second = [1, 0, 1, 0, 1, 0, 1, 0] + [1, 1, 0, 0, 0]  # and the first two stages
        >>> result = evaluate(bandit, lambda clips: [every_second] * len(clips))
        >>> 0 < result.top1 <= 1, result.usage.frames, result.usage.stages, result.distinct_masks
        (True, 4.0, 2.0, 1)
    """
    source = bandit.source
    ids = np.arange(len(source))
    batches = [ids[start : start + batch_size] for start in range(0, len(ids), batch_size)]
    known = isinstance(bandit.classifier, ClipAnswers)
    parts = Parts(None if known else resume)
    shape = (bandit.num_frames, bandit.num_stages, len(source.class_names))
    mine_found = parts.read(batches, shape) if parallel.rank() == 0 else {}
    done = parallel.gather(set(mine_found))[0]
    mine = [number for number in range(len(batches)) if number not in done][parallel.rank() :: parallel.world()]
    mine_bad = dict[int, VideoError]()
    count, quiet = sum(len(batches[number]) for number in mine), parallel.rank() > 0
    with Progress(count, description, quiet=quiet) as progress:
        for place, number in enumerate(mine):
            bandit.expect(np.concatenate([batches[each] for each in mine[place : place + 2]]))
            bad = source.undecodable(batches[number]) if isinstance(source, FallibleSource) else {}
            mine_bad |= bad
            batch = np.array([clip for clip in batches[number].tolist() if clip not in bad], np.int64)
            if len(batch):
                shown = bandit.observer(batch)
                with section("selection", len(batch)):
                    masks = act(shown)
                u, v = split_mask(masks, bandit.num_frames, bandit.num_stages)
                mine_found[number] = Judged(batch, u, v, bandit.pull(batch, u, v))
                if not bad:  # a file that could not be decoded may have been mended until the next attempt
                    parts.write(number, mine_found[number])
            progress.add(len(batches[number]))
    found = {number: part for each in parallel.gather(mine_found) for number, part in each.items()}
    bad = dict(sorted((clip, error) for each in parallel.gather(mine_bad) for clip, error in each.items()))
    if not found:
        raise next(iter(bad.values()))
    judged = [found[number] for number in sorted(found)]
    ids = np.concatenate([part.ids for part in judged])
    u, v = np.concatenate([part.u for part in judged]), np.concatenate([part.v for part in judged])
    outcomes = [part.outcome for part in judged]
    correct = np.concatenate([o.correct for o in outcomes])
    macs = np.concatenate([o.macs for o in outcomes])

    parts.remove()
    if known:
        of_videos = float(correct.mean()) if source.views == 1 else math.nan, math.nan
    else:
        of_videos = _video_figures(np.concatenate([o.scores for o in outcomes]), ids, source, interpolated)

    def usage(rows: NDArray[np.bool_]) -> Usage:
        kept, on = u[rows].sum(1), v[rows].sum(1)
        return Usage(float(correct[rows].mean()), float(macs[rows].mean()), float(kept.mean()), float(on.mean()))

    labels = source.labels(ids)
    families = np.array([source.record(i).family for i in ids.tolist()])
    visible = source.visible_frames(ids)
    partly = ~visible.all(1)
    return Evaluation(
        top1=of_videos[0],
        map=of_videos[1],
        usage=usage(np.ones(len(ids), np.bool_)),
        by_family={str(name): usage(families == name) for name in np.unique(families) if name},
        by_class={source.class_names[label]: usage(labels == label) for label in np.unique(labels).tolist()},
        reward=float(np.concatenate([o.reward for o in outcomes]).mean()),
        distinct_masks=len(np.unique(np.concatenate([u, v], 1), axis=0)),
        visible_kept=_share(visible[partly & u.any(1)][u[partly & u.any(1)]]),
        visible_chance=_share(visible[partly]),
        u=u,
        v=v,
        correct=correct,
        left_out=LeftOut(len(bad), len(source) // source.views - len(np.unique(ids // source.views)), _causes(bad)),
        regret=float(np.concatenate([o.regret for o in outcomes if o.regret is not None]).mean()) if known else None,
    )


def _video_figures(
    scores: NDArray[np.float32], ids: NDArray[np.int64], source: ClipSource, interpolated: bool
) -> tuple[float, float]:
    """Top-1 and mean average precision of the videos of clips (B,) with scores (B, C)."""
    if not np.isfinite(scores).all():  # finite weights may be too large to compute with
        raise DivergedError(
            "the classifier's scores are not finite: its training has diverged. Train again in another folder, with a "
            "lower learning rate, or give another checkpoint"
        )
    videos, scores = scores_of_videos(scores, ids // source.views)
    targets = source.targets(videos * source.views)
    return (
        top1(scores, targets & scores.any(1, keepdims=True)),  # no frame in any clip is never right
        mean_average_precision(scores, targets, interpolated=interpolated),
    )


def scores_of_videos(
    scores: NDArray[np.float32], of: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The videos (V,) that clips with scores (B, C) are `of`, and the mean scores (V, C) of each one's clips."""
    videos, rows, counts = np.unique(of, return_inverse=True, return_counts=True)
    means = np.zeros((len(videos), scores.shape[1]), scores.dtype)
    np.add.at(means, rows, scores)
    means /= counts[:, None]
    return videos, means


def _causes(bad: dict[int, VideoError]) -> dict[str, str]:
    """What is wrong with the first bad clip of each file."""
    causes: dict[str, str] = {}
    for error in bad.values():
        causes.setdefault(str(error.path), error.problem)
    return causes


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if flags.size else float("nan")
