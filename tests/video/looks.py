"""What a child process does with a file, for tests of `probe_all`; imports nothing heavy, as a child has to."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from ada3d_gym.video.indexing.probe import Probe, probe
from ada3d_gym.video.indexing.progress import advance


def crash_or_hang(path: Path, thorough: bool) -> Probe:
    """Dies of a file called "crash…", never comes back from one called "hang…", probes others; Ctrl-C comes with one
    called "interrupt…"."""
    if path.name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if path.name.startswith("hang"):
        time.sleep(3600)
    if path.name.startswith("interrupt"):
        os.kill(os.getpid(), signal.SIGINT)
    return probe(path, thorough)


def odd(path: Path, thorough: bool) -> Probe:
    """Goes on for seconds with one called "slow…" while packets come, and for ever with "hang…", where none do; raises
    for "raise…"."""
    if path.name.startswith("raise"):
        raise ZeroDivisionError("what nobody thought of")
    end = time.monotonic() + (3600 if path.name.startswith("hang") else 2)
    while time.monotonic() < end:
        time.sleep(0.05)
        if path.name.startswith("slow"):
            advance()
    return Probe("", "", 5)
