"""Places: even ones, and the nearest that is new."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def uniform(count: int) -> NDArray[np.float64]:
    """(K,) in [0, 1], the middles of K equal parts of a video, from its beginning to its end."""
    return (np.arange(count) + 0.5) / count


def spread(count: int) -> NDArray[np.float64]:
    """The places of `uniform`, in an order in which the first few are spread, too: the one next to the middle, then
    always that which is farthest from all before (of several, the earliest)."""
    places = uniform(count)
    order = [int(np.abs(places - 0.5).argmin())]
    while len(order) < count:
        distance = np.abs(places[:, None] - places[order]).min(1).round(9)
        order.append(int(distance.argmax()))
    return places[order]


def nearest_new(positions: NDArray[np.floating], seen: NDArray[np.int64], places: int) -> NDArray[np.int64]:
    """Places (B,) int64 of positions (B,) in [0, 1]: the nearest of P that was not looked at yet, of two the earlier;
    the nearest of all where all were.

    Args:
        positions: 0 is a video's first clip, 1 its last.
        seen: (B, K), where was looked; -1 for no look.
        places: P.
    """
    distance = np.abs(positions[:, None] * (places - 1) - np.arange(places))
    rows, columns = np.nonzero(seen >= 0)
    distance[rows, seen[rows, columns]] += places
    return np.asarray(distance.argmin(1), np.int64)
