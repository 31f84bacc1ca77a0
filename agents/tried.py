"""Masks that a policy has drawn for a batch, and what they were paid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ada3d_gym.bandit import Outcome

Bits = NDArray[np.bool_]


class Tried(NamedTuple):
    """The masks that were drawn for clips, and what they were paid.

    Attributes:
        u, v: (S * B, T) and (S * B, K).
        greedy: the masks (B, T) and (B, K) of what is likelier kept than dropped.
        outcome: of all S * B pulls.
        bits: u and v as the heads drew them, (S, B, T) and (S, B, K) of zeros and ones.
        advantages: (2, S, B) of the frame head and the stage head.
    """

    u: Bits
    v: Bits
    greedy: tuple[Bits, Bits]
    outcome: Outcome
    bits: list[Tensor]
    advantages: Tensor

    def of(self, rows: slice) -> Tried:
        """What some of the clips' gradient is made of."""
        return self._replace(bits=[each[:, rows] for each in self.bits], advantages=self.advantages[:, :, rows])
