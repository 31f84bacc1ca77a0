"""Top-1 accuracy and mean average precision of videos."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score


def top1(scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> float:
    """Share of videos whose highest score is one of their labels; scores (V, C), targets (V, C)."""
    return float(targets[np.arange(len(scores)), scores.argmax(1)].mean())


def mean_average_precision(scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> float:
    """Non-interpolated average precision per class, averaged over the classes that have positives."""
    classes = targets.any(0)
    return float(np.mean([average_precision_score(targets[:, c], scores[:, c]) for c in np.flatnonzero(classes)]))
