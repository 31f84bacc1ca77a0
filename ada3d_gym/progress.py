"""How far something long has come, how fast it goes and how long it will still take."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm

EVERY = 60.0  # seconds between lines, where there is no terminal to draw a bar on


class Progress:
    """A bar on a terminal, with the rate and the time left; elsewhere a line a minute on standard error.

    Args:
        total: that will be counted.
        description: what goes on.
        unit: of what is counted.
        done: that have been counted before, and take no time now.
        quiet: show nothing.
    """

    def __init__(self, total: int, description: str, unit: str = "clip", done: int = 0, quiet: bool = False):
        self._bar = tqdm(
            total=total, initial=done, desc=description, unit=f" {unit}s", leave=False, disable=quiet or None
        )
        self._lines = self._bar.disable and not quiet  # no terminal
        self._total, self._description, self._unit = total, description, unit
        self._before = self._done = done
        self._begun = self._told = time.monotonic()

    def add(self, count: int) -> None:
        """Counts so many more."""
        self._bar.update(count)
        self._done += count
        now = time.monotonic()
        if self._lines and now - self._told >= EVERY:
            self._told = now
            print(self.line(now - self._begun), file=sys.stderr, flush=True)

    def line(self, seconds: float) -> str:
        """What is said after so many seconds."""
        rate = (self._done - self._before) / seconds if seconds else 0.0
        left = tqdm.format_interval((self._total - self._done) / rate) if rate else "?"
        counted = f"{self._done:,} of {self._total:,} {self._unit}s, {rate:,.1f} a second"
        return f"{self._description}: {counted}, {left} left"

    def close(self) -> None:
        self._bar.close()
