"""Alternating measurements that wait until they agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from ada3d_gym.experiments.timing import alternate


def waited(way: Callable[[], object], device: torch.device) -> Callable[[], None]:
    """A way that ends when the device has done all that it was asked for."""

    def run() -> None:
        way()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run


def fastest(
    ways: Mapping[str, Callable[[], object]],
    before: Callable[[], object] = lambda: None,
    least: int = 5,
    most: int = 40,
    agreement: float = 0.05,
) -> dict[str, float]:
    """Seconds of each way's fastest turn, the one that other work on the machine disturbed least.

    Turns go on until the two fastest of every way agree, so that a disturbed machine takes longer instead of giving
    other figures.

    Args:
        ways: what is compared, by name.
        before: runs before each turn and is not timed.
        least: turns that each way takes in any case.
        most: turns after which the fastest counts even if no other agrees.
        agreement: share by which the second fastest may be slower.
    """
    seconds = {name: np.empty(0) for name in ways}
    for turn in range(most):
        for name, times in alternate(ways, 1, warm_up=turn == 0, before=before).items():
            seconds[name] = np.sort(np.append(seconds[name], times))
        if turn + 1 >= least and all(times[1] <= times[0] * (1 + agreement) for times in seconds.values()):
            break
    return {name: float(times[0]) for name, times in seconds.items()}
