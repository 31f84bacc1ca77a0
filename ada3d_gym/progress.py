"""How far something long has come, how fast it goes and how long it will still take."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TypeVar
from weakref import WeakSet

from tqdm import tqdm

T = TypeVar("T")
QUICK = 2.0  # seconds in which something ends without a word
BRIEF = 5.0  # seconds in which it ends without saying how long it took
FIRST = (10.0, 30.0)  # seconds after which the first lines follow the one about the start
EVERY = 60.0  # seconds between all later ones


class Lines:
    """Lines on standard error about something long, for who reads no bar.

    They tell what goes on once it has taken 2 seconds, how far it is after 10 and 30 seconds and then each minute, and
    how long it took.

    Args:
        total: that will be counted; None where that is not known, or nothing is counted.
        description: what goes on.
        unit: of what is counted, without its plural's s.
        done: that have been counted before, and take no time now.
        repeated: it is one of many that say the same, such as epochs: no lines about its start and its end.
        clock: seconds, from any start.
    """

    def __init__(
        self,
        total: int | None,
        description: str,
        unit: str = "clip",
        done: int = 0,
        repeated: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._total, self._description, self._unit = total, description, unit
        self._before = self._done = done
        self._clock, self._begun = clock, clock()
        self._repeated = self._started = repeated
        self._due = FIRST[0]
        self.doing = ""  # the part that goes on now

    def add(self, count: int) -> None:
        """Counts so many more."""
        self._done += count
        seconds = self._clock() - self._begun
        if seconds >= QUICK:
            self.start()
        if seconds < self._due:
            return
        while self._due <= seconds:
            self._due = next((each for each in FIRST if each > self._due), (self._due // EVERY + 1) * EVERY)
        if self._done != self._total:
            self._say(self.line(seconds))

    def line(self, seconds: float) -> str:
        """What is said after so many seconds."""
        of = "" if self._total is None else f" of {self._total:,}"
        said = [f"{self._done:,}{of} {self._unit}s"]
        rate = (self._done - self._before) / seconds if seconds else 0.0
        if self._total is not None and rate:
            said += [f"{rate:,.1f} a second"] * (rate >= 1) + [f"{duration((self._total - self._done) / rate)} left"]
        return f"{self._description}: {', '.join(said)}" + (f" ({self.doing})" if self.doing else "")

    def start(self) -> None:
        """Says what goes on, if that has not been said."""
        if self._started:
            return
        self._started = True
        counted = "" if self._total is None else f": {self._total - self._before:,} {self._unit}s"
        self._say(self._description + counted)

    def end(self) -> None:
        """Says how long it took."""
        seconds = self._clock() - self._begun
        if self._repeated or seconds < BRIEF:
            return
        counted = f"{self._done - self._before:,} {self._unit}s" if self._done > self._before else "done"
        self._say(f"{self._description}: {counted} in {duration(seconds)}")

    def _say(self, text: str) -> None:
        sys.stderr.write(text + "\n")  # in one piece: other threads and processes write there, too
        sys.stderr.flush()


class Progress:
    """A bar on a terminal, with the rate and the time left; elsewhere `Lines`.

    It is a context manager, or closed with `close`.

    Args:
        total, description, unit, done, repeated, clock: as those of `Lines`.
        quiet: show nothing.
    """

    def __init__(
        self,
        total: int | None,
        description: str,
        unit: str = "clip",
        done: int = 0,
        quiet: bool = False,
        repeated: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._bar = tqdm(
            total=total, initial=done, desc=description, unit=f" {unit}s", leave=False, disable=quiet or None
        )
        self._done = done
        self._lines: Lines | None = None
        self._alarm: threading.Timer | None = None
        if self._bar.disable and not quiet:  # no terminal
            self._lines = Lines(total, description, unit, done, repeated, clock)
            if not repeated and total != done:
                self._alarm = threading.Timer(QUICK, self._lines.start)  # the first part alone may take minutes
                self._alarm.daemon = True
                self._alarm.start()
        _SHOWN.add(self)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, where: TracebackType | None) -> None:
        self.close(finished=kind is None)

    def add(self, count: int = 1) -> None:
        """Counts so many more."""
        self._done += count
        self._bar.update(count)
        if self._lines is not None:
            self._lines.add(count)

    def reach(self, done: int) -> None:
        """Counts up to so many."""
        self.add(done - self._done)

    def doing(self, part: str) -> None:
        """Names the part that goes on now."""
        if not self._bar.disable:
            quickly = time.time() - self._bar.last_print_t < self._bar.mininterval
            self._bar.set_postfix_str(part, refresh=not quickly)
        if self._lines is not None:
            self._lines.doing = part

    def close(self, finished: bool = True) -> None:
        """Ends it.

        Args:
            finished: whether it came to its end, so that the time that it took tells something.
        """
        _SHOWN.discard(self)
        if self._alarm is not None:
            self._alarm.cancel()
        self._bar.close()
        if self._lines is not None and finished:
            self._lines.end()
        self._lines = None


_SHOWN: WeakSet[Progress] = WeakSet()  # in this process, now


def is_shown() -> bool:
    """Whether some progress is shown, so that parts of what goes on need not speak."""
    return bool(_SHOWN)


def counted(
    items: Iterable[T],
    total: int,
    description: str,
    unit: str,
    *,
    done: int = 0,
    quiet: bool = False,
    repeated: bool = False,
) -> Iterator[T]:
    """Items as they are, while a `Progress` counts those that have been dealt with."""
    with Progress(total, description, unit, done, quiet, repeated) as shown:
        for item in items:
            yield item
            shown.add()


def duration(seconds: float) -> str:
    """As people say it."""
    for least, length, name in ((2 * 86_400, 86_400, "days"), (5_400, 3_600, "h"), (90, 60, "min")):
        if seconds >= least:
            return f"{seconds / length:.0f} {name}"
    return f"{max(seconds, 1):.0f} s"
