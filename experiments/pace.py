"""When a long epoch is to be saved: every so many seconds, and in all processes after the same batch."""

from __future__ import annotations

import time

from ada3d_gym import parallel

_GROWTH = 4  # clocks are compared after four times as many batches at the latest, as the first ones may be fast


class Pace:
    """Clocks differ, and processes must agree. They compare their clocks at batches that all know beforehand.

    Args:
        seconds: between two savings.
    """

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._seen = 0
        self._start(0)

    def _start(self, batches: int) -> None:
        self._from = batches
        self._begun = self._since = time.perf_counter()
        self._next = batches + 1

    def due(self, batches: int) -> bool:
        """Whether to save now that so many batches of the epoch are done; asked after each update, by all processes."""
        if self._seen == 0 or batches <= self._seen:  # an epoch begins, or goes on from its middle: all was just saved
            self._start(batches if self._seconds else batches - 1)
        self._seen = batches
        if batches < self._next:
            return False
        now = time.perf_counter()
        elapsed, begun = (
            max(each) for each in zip(*parallel.gather((now - self._since, now - self._begun)), strict=True)
        )
        save = bool(elapsed >= self._seconds)
        if save:
            self._since = now
        wait = self._seconds - (0.0 if save else elapsed)
        done = max(batches - self._from, 1)
        self._next = batches + min(max(int(wait * done / max(begun, 1e-9)), 1), _GROWTH * done)
        return save
