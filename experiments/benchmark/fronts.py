"""Fronts of cost against gain: what is on them, and how much they cover."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def non_dominated(costs: ArrayLike, gains: ArrayLike) -> NDArray[np.int64]:
    """Those of P points that no other one beats: numbers, by rising cost and rising gain; the first of equal ones.

    Args:
        costs: (P,), of which less is better.
        gains: (P,), of which more is better.
    """
    costs, gains = np.asarray(costs, np.float64), np.asarray(gains, np.float64)
    order = np.lexsort((-gains, costs))
    best_before = np.concatenate([[-np.inf], np.maximum.accumulate(gains[order])[:-1]])
    return order[gains[order] > best_before]


def hypervolume(costs: ArrayLike, gains: ArrayLike, worst_cost: float, worst_gain: float = 0.0) -> Floats:
    """The area (...) that points (..., P) dominate, above `worst_gain` and below `worst_cost`.

    Points that are dearer or gain less than that add nothing.
    """
    costs, gains = np.broadcast_arrays(np.asarray(costs, np.float64), np.asarray(gains, np.float64))
    order = np.argsort(costs, axis=-1)
    costs = np.minimum(np.take_along_axis(costs, order, -1), worst_cost)
    gains = np.maximum.accumulate(np.take_along_axis(gains, order, -1), axis=-1)
    widths = np.diff(costs, append=worst_cost, axis=-1)
    area: Floats = (np.maximum(gains - worst_gain, 0) * widths).sum(-1)
    return area
