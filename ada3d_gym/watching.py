"""Processes that train one run notice when one of them is gone, however long they wait for each other otherwise.

A process that is killed closes its connections, which the others notice in their next exchange. One whose machine lost
its power, or its network, closes nothing: the others would wait as long as the longest wait there may be, and parts of
a test split take hours. So each process tells the rendezvous' store every few seconds that it is there, in a thread,
and ends itself once another has been silent for too long. What started it, as torchrun, then knows of it.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from torch import distributed as dist

from ada3d_gym.errors import InputError

SILENCE = "ADA3D_SILENCE"  # seconds of silence after which a process counts as gone
DEFAULT_SILENCE = 60.0
LOST = 1  # exit code
_REMEDY = "started again, the same command goes on; torchrun does that by itself with --max-restarts"


@contextmanager
def watched(name: str, rank: int, world: int) -> Iterator[None]:
    """Ends this process where another one is not heard of any more while the block runs.

    Args:
        name: of this gathering of processes, the same in all of them and in no other one at the same store.
        rank: of this process.
        world: how many there are; MASTER_ADDR and MASTER_PORT say where their store is.

    Raises:
        InputError: where ADA3D_SILENCE is no number of seconds.
    """
    watch = _Watch(f"ada3d/{name}", rank, world, silence())
    try:
        yield
    finally:
        watch.end()


def silence() -> float:
    """Seconds without a word after which another process counts as gone."""
    given = os.environ.get(SILENCE, str(DEFAULT_SILENCE))
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds < 1e6:
        raise InputError(f"{SILENCE}={given}: expected seconds, at least 1")
    return seconds


class _Watch:
    def __init__(self, prefix: str, rank: int, world: int, seconds: float):
        self._rank, self._world, self._seconds = rank, world, seconds
        self._keys = [f"{prefix}/{each}" for each in range(world)]
        self._told = [""] * world
        self._heard = [time.monotonic()] * world
        self._hosts = ["?"] * world
        self._over = threading.Event()
        for target in (self._beat, self._look):
            threading.Thread(target=target, daemon=True, name=f"watching{target.__name__}").start()

    def end(self) -> None:
        self._over.set()

    def _beat(self) -> None:
        """Tells that this process is there, and hears the others; where the store is gone, nobody is heard."""
        count, every = 0, min(5.0, self._seconds / 6)
        store: Any = None
        while not self._over.is_set():
            try:
                if store is None:
                    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
                    store = dist.TCPStore(  # type: ignore[attr-defined]
                        address, port, is_master=False, timeout=timedelta(seconds=self._seconds)
                    )
                count += 1
                store.set(self._keys[self._rank], f"{count} {socket.gethostname()}")
                for each, key in enumerate(self._keys):
                    if store.check([key]):
                        self._hear(each, store.get(key).decode())
            except RuntimeError:  # of the store's connection
                store = None
            self._over.wait(every)

    def _hear(self, rank: int, told: str) -> None:
        if told != self._told[rank]:
            self._told[rank], self._heard[rank] = told, time.monotonic()
            self._hosts[rank] = told.partition(" ")[2]

    def _look(self) -> None:
        before = time.monotonic()
        while not self._over.wait(min(1.0, self._seconds / 6)):
            now = time.monotonic()
            if now - before > self._seconds / 2:  # this process itself was stopped: it has not listened
                self._heard = [now] * self._world
            before = now
            silent = [each for each, heard in enumerate(self._heard) if now - heard > self._seconds]
            if silent and not self._over.is_set():
                self._give_up(silent)

    def _give_up(self, silent: list[int]) -> None:
        if self._rank in silent:
            place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
            what = f"the processes' store at {place} has not answered"
        else:
            what = ", ".join(f"process {each} (on {self._hosts[each]})" for each in silent)
            what += f" of {self._world} {'has' if len(silent) == 1 else 'have'} not been heard of"
        sys.stderr.write(
            f"error: {what} for {self._seconds:g} seconds, its machine or network may be gone: {_REMEDY}\n"
        )
        sys.stderr.flush()
        os._exit(LOST)  # the main thread waits within a library, where no exception reaches it


def lost(error: BaseException) -> str | None:
    """What is to be said of an exchange that failed since another process is gone; None of any other error."""
    told = str(error)
    if isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and ("gloo" in told or "NCCL" in told)):
        # the rest of gloo's message is for its authors
        found = re.search(r"(Connection|Read|Write)[^\n\[]*\[[^\n\]]*\]:\d+(: [A-Z][a-z ]*)?", told)
        why = found.group() if found else " ".join(told.split())[:120]
        return f"another process of this run has ended ({why}): {_REMEDY}"
    return None
