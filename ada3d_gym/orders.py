"""The order in which clips are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ada3d_gym.bandit import ClipBandit

Ids = NDArray[np.int64]


class Stream:
    """Ids of one epoch after the other, taken in any numbers.

    Args:
        epoch: makes the ids of the next epoch, (N,) int64.
    """

    def __init__(self, epoch: Callable[[], Ids]):
        self._epoch = epoch
        self._ahead: Ids = np.empty(0, np.int64)

    def ahead(self, count: int) -> Ids:
        """The next `count`, which are still to be taken."""
        parts, length = [self._ahead], len(self._ahead)
        while length < count:
            parts.append(self._epoch())
            length += len(parts[-1])
        self._ahead = np.concatenate(parts)
        return self._ahead[:count]

    def take(self, count: int) -> Ids:
        """The next `count`."""
        ids = self.ahead(count)
        self._ahead = self._ahead[count:]
        return ids


class ClipOrder:
    """Clips of a bandit, one after the other; each environment has an order of its own, though they share a bandit.

    Args:
        bandit: whose clips, and whether they come in epochs.
        rng: what the order is drawn from.
    """

    def __init__(self, bandit: ClipBandit, rng: np.random.Generator):
        self._bandit, self._rng = bandit, rng
        self._ids = Stream(self._more)

    def draw(self, count: int) -> Ids:
        """The next `count` clip ids (count,), of clips that can be decoded.

        Raises:
            VideoError: where too many videos are bad, see `ada3d_gym.video.clips.VideoClips.usable`.
        """
        self._bandit.expect(self._ids.ahead(2 * count))  # the next draw is decoded beside this one's network
        return self._bandit.usable(self._ids.take(count))

    def _more(self) -> Ids:
        if self._bandit.order == "epochs":
            return self._bandit.epoch(self._rng)
        source = self._bandit.source
        videos = len(source) // source.views
        return self._rng.integers(len(source), size=videos)  # as many, so that no batch size changes the order
