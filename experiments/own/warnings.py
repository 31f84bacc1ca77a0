"""What a stranger should know before believing a report's numbers, in plain words."""

from __future__ import annotations

import numpy as np

from ada3d_gym.experiments.own.findings import Findings, wilson
from ada3d_gym.experiments.own.runs import LEARNED
from ada3d_gym.experiments.own.survey import Survey

FEW = 10  # points, half an interval from which on a test set is called small
UNEVEN = 3  # ratio of the largest class to the smallest


def warnings_of(found: Findings, surveyed: Survey) -> list[str]:
    """A sentence or two for each, the gravest first."""
    return [*_on_accuracy(found), *_on_policy(found), *_on_data(found, surveyed)]


def _on_accuracy(found: Findings) -> list[str]:
    told = []
    right, count = int(found.upper.right.sum()), found.videos
    low, high = wilson(right, count)
    largest = 100 * np.bincount(found.upper.labels).max() / count
    if low <= largest:
        told.append(
            f"The network is hardly better than always naming the largest class, which is right on {largest:.0f} %: "
            "until it is, its masks mean nothing. More videos, more --minutes or a larger --size may help."
        )
    if high - low > 2 * FEW:
        told.append(
            f"The test set has {count} videos. Its accuracies are uncertain by about ± {(high - low) / 2:.0f} points; "
            "differences of a few videos say nothing."
        )
    return told


def _on_policy(found: Findings) -> list[str]:
    told = []
    upper, learned = found.upper.right, found.learned.right
    lost, won = int((upper & ~learned).sum()), int((learned & ~upper).sum())
    if lost > won:
        from scipy.stats import binomtest  # takes a second to import, and most commands end before

        chance = binomtest(won, lost + won).pvalue
        told.append(
            f"The policy loses {lost} videos that the whole network gets right, and wins {won}. "
            + ("So much is hardly chance: a larger --gamma keeps more." if chance < 0.05 else "So few can be chance.")
        )
    name, top1 = found.best_rival
    if top1 >= found.results[LEARNED].top1:
        told.append(
            f"No policy is needed here: within its operations, {name} is right on {top1:.1f} %, and the policy "
            f"on {found.results[LEARNED].top1:.1f} %. One mask for all clips does as well."
        )
    if found.results[LEARNED].distinct_masks == 1:
        told.append("The policy chooses the same mask for every clip: it has become a constant.")
    if found.saved <= 0:
        told.append("The policy saves nothing: with its selection network it costs more than the whole network.")
    elif found.time_saved is not None and found.time_saved <= 0:
        told.append("The policy saves operations, and no time on this machine.")
    return told


def _on_data(found: Findings, surveyed: Survey) -> list[str]:
    told = []
    if surveyed.problems:
        told.append(f"{len(surveyed.problems)} files were left out; the survey and the report name them.")
    if max(surveyed.counts) > UNEVEN * max(min(surveyed.counts), 1):
        told.append(
            f"Classes are uneven: {max(surveyed.counts)} videos of the largest, {min(surveyed.counts)} of the "
            "smallest. Look at the accuracy of each class."
        )
    if left := found.results[LEARNED].left_out:
        told.append(f"{left['clips']} test clips could not be decoded and are in no figure.")
    if surveyed.collection.by == "folders":
        told.append(
            "The test videos were drawn at random. If several videos are pieces of one recording, some may be in the "
            "training and some in the test, and new recordings will fare worse: put them into folders train and test."
        )
    return told
