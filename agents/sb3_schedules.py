"""Schedules over all epochs of an agent; those of Stable-Baselines3 restart with every `learn()`."""

from __future__ import annotations

import math


class Cosine:
    """A learning rate of SB3 that knows how much of all epochs is done; SB3 itself knows of one `learn()` alone."""

    def __init__(self, lr: float):
        self.lr, self.done = lr, 0.0

    def __call__(self, _remaining: float) -> float:
        return self.lr * 0.5 * (1 + math.cos(math.pi * self.done))


class Ramp:
    """Exploration of DQN, from all to `final` over a share of all epochs."""

    def __init__(self, progress: Cosine, fraction: float, final: float):
        self.progress, self.fraction, self.final = progress, fraction, final

    def __call__(self, _remaining: float) -> float:
        return 1 + min(1.0, self.progress.done / self.fraction) * (self.final - 1)
