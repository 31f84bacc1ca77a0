"""What an agent is: anything that turns observations into masks, and may learn to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from numpy.typing import NDArray

OnEpoch = Callable[[int, dict[str, float]], None]
"""Gets the number of epochs done and the last one's figures by name."""


class Policy(Protocol):
    """Something that acts."""

    def act(self, observations: NDArray[Any]) -> NDArray[Any]:
        """Flat masks (B, T + K) of zeros and ones for observations (B, …), as the bandit's observer shows them."""
