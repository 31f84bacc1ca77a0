"""Places that do not depend on a video."""

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
