"""Real processes, for tests of what survives them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]


def start(*arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """Starts Python in the checkout; Ctrl-C reaches it even where the tests run in the background."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        text=True,
        stdout=stdout,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Waits for a process that should succeed; returns what it printed."""
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    return printed


def run(*arguments: str) -> str:
    return finish(start(*arguments))


def kill_when(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    """SIGKILLs a process as soon as something has happened, which must be before it ends."""
    try:
        while not ready():
            if process.poll() is not None:
                raise AssertionError(f"ended before it could be killed: {process.communicate()}")
            time.sleep(0.005)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
