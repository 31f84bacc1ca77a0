"""What an agent is: anything that turns observations into masks, and may learn to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

OnEpoch = Callable[[int, dict[str, float]], None]
"""Gets the number of epochs done and the last one's figures by name."""


class Policy(Protocol):
    """Something that acts."""

    def act(self, observations: NDArray[Any]) -> NDArray[Any]:
        """Flat masks (B, T + K) of zeros and ones for observations (B, …), as the bandit's observer shows them."""


class Agent(Policy, Protocol):
    """Something that acts and learns.

    Attributes:
        epoch: how many epochs it has learned.
        total_epochs: how many it learns in all. An epoch is as many pulls as the bandit has videos, times the masks
            that the agent tries on each.
    """

    epoch: int

    @property
    def total_epochs(self) -> int: ...

    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[Any]: ...

    def learn(self, until: int, on_epoch: OnEpoch) -> None:
        """Learns up to epoch `until`, calling `on_epoch` after each."""

    def save(self, folder: Path) -> None:
        """Writes what `load` needs to act as this agent does."""

    def load(self, folder: Path) -> None:
        """Takes over what `save` wrote."""
