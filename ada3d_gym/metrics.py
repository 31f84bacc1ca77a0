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


# scikit-learn brings SciPy, a second that only a command which judges is to wait for.


def _average(targets: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(targets, scores))


def _interpolated(targets: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(targets, scores)  # recall falls from 1 to 0
    return float(-np.sum(np.diff(recall) * np.maximum.accumulate(precision)[:-1]))
