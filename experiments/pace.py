"""When a long epoch is to be saved: every so many seconds, and in all processes after the same batch."""

from __future__ import annotations

import time

from ada3d_gym import parallel

FIRST = 8  # batches after which the pace is first looked at


class Pace:
    """Clocks differ, and processes must agree. They compare their clocks at batches that all know beforehand.

    Args:
        seconds: between two savings.
    """

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._at, self._next = 0, FIRST if seconds else 1
        self._since = time.perf_counter()

    def due(self, batches: int) -> bool:
        """Whether to save now that so many batches of the epoch are done."""
        if batches <= self._at:  # of a new epoch, before which the last one was saved
            self._at, self._next, self._since = 0, FIRST if self._seconds else 1, time.perf_counter()
        if batches < self._next:
            return False
        elapsed = max(parallel.gather(time.perf_counter() - self._since))
        each = elapsed / max(batches - self._at, 1)
        save = elapsed >= 0.9 * self._seconds
        if save:
            self._at, self._since = batches, time.perf_counter()
        wait = self._seconds if save else self._seconds - elapsed
        self._next = batches + max(1, int(wait / max(each, 1e-9)))
        return save
