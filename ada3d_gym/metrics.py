"""Top-1 accuracy and mean average precision of videos."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def top1(scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> float:
    """Share of videos whose highest score is one of their labels; scores (V, C), targets (V, C)."""
    return float(targets[np.arange(len(scores)), scores.argmax(1)].mean())


def mean_average_precision(
    scores: NDArray[np.floating], targets: NDArray[np.bool_], *, interpolated: bool = False
) -> float:
    """Average precision per class, averaged over the classes that have positives.

    Args:
        scores, targets: (V, C).
        interpolated: at each recall, the best precision at that recall or a higher one (VOC 2011 and ActivityNet's
            official tool), instead of the precision itself.
    """
    precision = _interpolated if interpolated else _average
    classes = np.flatnonzero(targets.any(0))
    return float(np.mean([precision(targets[:, c], scores[:, c]) for c in classes]))


def _average(targets: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    precision, recall = _curve(targets, scores)
    return float(-np.sum(np.diff(recall) * precision[:-1]))


def _interpolated(targets: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    precision, recall = _curve(targets, scores)
    return float(-np.sum(np.diff(recall) * np.maximum.accumulate(precision)[:-1]))


def _curve(
    targets: NDArray[np.bool_], scores: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Precision and recall at each distinct score, from the lowest on, and where nothing is found; (S + 1,) each.

    To the bit those of scikit-learn, whose import would take longer than many a judgement.
    """
    order = np.argsort(scores, kind="stable")[::-1]
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # of those with the same score
    right = np.cumsum(targets[order])[last][::-1]
    return np.append(right / (1 + last[::-1]), 1.0), np.append(right / right[0], 0.0)
