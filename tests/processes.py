"""Real processes, for tests of what survives them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]

ADA3D = ("-c", "import sys; sys.argv[0] = 'ada3d'; from ada3d_gym.experiments.main import main; main()")
"""Arguments of Python that do what the command `ada3d` does where it is installed."""


def start(
    *arguments: str, stdout: int = subprocess.PIPE, more: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Starts Python in the checkout, with `more` in its environment.

    Ctrl-C reaches it even where the tests run in the background.
    """
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | dict(more or {}),
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


def run_two(*arguments: str) -> str:
    """Runs two processes that work on one thing, as torchrun starts them; returns what both printed.

    torchrun itself would be a third one, which imports PyTorch only to start these.
    """
    group = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    threads = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    ranks = ({"RANK": str(each), "LOCAL_RANK": str(each)} for each in range(2))
    started = [start(*arguments, more=group | threads | rank) for rank in ranks]
    try:
        return "".join([finish(each) for each in started])
    finally:
        for each in started:
            each.kill()
            each.wait()


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("", 0))
        return int(server.getsockname()[1])


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
