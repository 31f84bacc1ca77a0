"""Rewards of a classified clip: one for each head of the policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Reward(Protocol):
    """What a bandit pays for masks, given whether the masked classifier was right."""

    def __call__(
        self, correct: NDArray[np.bool_], u: NDArray[np.bool_], v: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rewards (B,) of the frame head and of the stage head.

        Args:
            correct: (B,) bool.
            u: frame masks (B, T) bool. A clip that keeps no frame is never correct.
            v: stage masks (B, K) bool.
        """


@dataclass(frozen=True)
class UsageReward:
    """The paper's reward (Eq. 4): 1 - O(x) for a correct prediction, else -gamma, for x in {u, v}.

    O(u) = |u| / T and O(v) = (|v| / K)^2, so each head's reward is in [0, 1] or -gamma.

    Args:
        gamma: penalty of a wrong answer, at least 0; larger keeps more frames and stages.
    """

    gamma: float = 1.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.gamma) and self.gamma >= 0):
            raise ValueError(f"gamma={self.gamma} is not a penalty: expected a finite number of at least 0")

    def __call__(
        self, correct: NDArray[np.bool_], u: NDArray[np.bool_], v: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        frames = np.where(correct, 1 - u.mean(1), -self.gamma)
        stages = np.where(correct, 1 - v.mean(1) ** 2, -self.gamma)
        return frames, stages
