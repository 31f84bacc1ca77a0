"""Times that can be compared: what is measured runs in turn, round after round."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

K = TypeVar("K", bound=Hashable)


def alternate(
    ways: Mapping[K, Callable[[], object]],
    rounds: int,
    warm_up: int = 1,
    before: Callable[[], object] = lambda: None,
) -> dict[K, NDArray[np.float64]]:
    """Seconds (rounds,) that each way took in each round; `before` runs before each turn and is not timed."""
    for _ in range(warm_up):
        for way in ways.values():
            before()
            way()
    seconds: dict[K, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            before()
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return {name: np.array(times) for name, times in seconds.items()}
