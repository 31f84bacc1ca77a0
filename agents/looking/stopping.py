"""When to stop looking: rules that watch a video after each look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.errors import InputError

Floats = NDArray[np.float32]


class Watch(Protocol):
    """A rule at work on B videos."""

    def __call__(self, scores: Floats, utility: Floats) -> NDArray[np.bool_]:
        """After a look at each of them: which to stop at, bool (B,).

        Args:
            scores: (B, C), the class probabilities so far.
            utility: (B,), V_t.
        """


Stopping = Callable[[int], Watch]  # given B, the rule at work on as many videos


@dataclass(frozen=True)
class Patience:
    """AdaFrame's rule: V's running best is kept, and a look at which it exceeds V_t + μ is a disappointment; the p-th
    disappointment stops.

    Whether the p have to be consecutive is not published; here they need not be.

    Attributes:
        mu: the knob. A larger one looks longer; infinity never stops.
        times: p.
    """

    mu: float
    times: int

    def __post_init__(self) -> None:
        if self.times < 1:
            raise InputError(f"times={self.times}: expected at least 1")

    def __call__(self, count: int) -> Watch:
        best, disappointments = np.full(count, -np.inf, np.float32), np.zeros(count, np.int64)

        def after_look(scores: Floats, utility: Floats) -> NDArray[np.bool_]:
            np.maximum(best, utility, out=best)
            disappointments[best > utility + np.float32(self.mu)] += 1
            return disappointments >= self.times

        return after_look


@dataclass(frozen=True)
class Confidence:
    """Stops once the highest class probability is at least `threshold`: an early exit, which no one has to learn."""

    threshold: float

    def __call__(self, count: int) -> Watch:
        return lambda scores, utility: np.asarray(scores.max(1) >= self.threshold)


def never(count: int) -> Watch:
    """Looks at all clips that it may."""
    return lambda scores, utility: np.zeros(len(scores), np.bool_)


def published_patience(steps: int) -> int:
    """p for K steps, as remembered of AdaFrame's paper: 2 below ten steps, K / 2 + 1 from there.

    With three steps and μ ≥ 0 this never stops early: the first look disappoints nobody.
    """
    return 2 if steps < 10 else steps // 2 + 1
