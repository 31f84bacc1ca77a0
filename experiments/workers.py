"""Processes that train runs, or do other work, several at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from tqdm import tqdm

from ada3d_gym.errors import Ada3DError
from ada3d_gym.experiments.folders import BusyFolder
from ada3d_gym.experiments.pipeline import is_finished, train_run
from ada3d_gym.experiments.runs import Run
from ada3d_gym.experiments.saying import TitledLines
from ada3d_gym.experiments.timing import one_thread
from ada3d_gym.workers import share_cores

MOST = 4  # processes: each takes the memory of a training
Outcome = Literal["done", "busy", "failed", "fault"]


class RunError(Ada3DError):
    """What went wrong in a process of its own; the message is that of the error there."""


class Work(Protocol):
    """Something to be done in another process, which gets a copy."""

    @property
    def folder(self) -> Path:
        """Where it is done, for messages."""

    @property
    def title(self) -> str:
        """What it is, before each line that it prints while others work beside it; "" for no title."""

    def do(self) -> None: ...


@dataclass(frozen=True)
class Job:
    """A run to be trained; arguments of `experiments.pipeline.train_run`."""

    run: Run
    folder: Path
    device: str
    upper: Path | None = None

    @property
    def title(self) -> str:
        return f"{self.run.env}, seed {self.run.seed}, {self.folder.name}"

    def is_done(self) -> bool:
        return is_finished(self.run, self.folder)

    def do(self) -> None:
        """Trains and judges it; time is measured later, when nothing else is going on.

        Raises:
            BusyFolder: where another process works in the folder.
        """
        with one_thread(self.device):
            train_run(self.run, self.folder, self.device, upper=self.upper, timed=False)


def processes(device: str) -> int:
    """How many runs to train at once: one on a GPU, else one a CPU core, of at most 4."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST) if torch.device(device).type == "cpu" else 1


class Worker:
    """A process that does jobs, one at a time, and ends with this one; it has the cores with so many `beside` it."""

    def __init__(self, beside: int = 1) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, beside), daemon=True)
        with _interrupts_ignored():  # inherited: Ctrl-C is for this process, which ends the others
            self._process.start()
        theirs.close()
        self._job: Work | None = None

    @property
    def busy(self) -> bool:
        return self._job is not None

    def start(self, job: Work) -> None:
        self._job = job
        self._connection.send(job)

    @property
    def handles(self) -> list[Any]:
        """What becomes ready when the job has ended, or the process."""
        return [self._connection, self._process.sentinel]

    def outcome(self) -> tuple[bool, str] | None:
        """Whether the job was done, or another process has its folder, and what is to be said; None while it goes on.

        Raises:
            RunError: for what a user can mend.
            RuntimeError: with the traceback, for a fault of the program, and for a process that was killed.
        """
        if not self._connection.poll():
            if self._process.is_alive():
                return None
            raise self._ended()
        try:
            kind, told = self._connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            raise self._ended() from None
        folder, self._job = self._folder, None
        if kind == "failed":
            raise RunError(f"{told} (in the run of {folder})")
        if kind == "fault":
            raise RuntimeError(f"in the run of {folder}:\n{told}")
        return kind == "done", told

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    @property
    def _folder(self) -> Path | None:
        return self._job.folder if self._job else None

    def _ended(self) -> RuntimeError:
        code = self._process.exitcode
        return RuntimeError(f"a process that worked in {self._folder} has ended by itself (exit code {code})")

    def end(self) -> None:
        self._process.terminate()
        self._process.join()


@contextmanager
def workers(count: int) -> Iterator[list[Worker]]:
    """Processes that are ended with the block, however it ends."""
    made: list[Worker] = []
    try:
        made += [Worker(count) for _ in range(count)]
        yield made
    finally:
        for worker in made:
            worker.end()


def wait_for_any(busy: list[Worker], seconds: float | None = None) -> None:
    """Until one of the workers has something to say, or for so long."""
    wait([handle for worker in busy for handle in worker.handles], seconds)


def _work(connection: Connection, beside: int) -> None:
    share_cores(beside)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    streams = TitledLines(sys.stdout), TitledLines(sys.stderr)
    sys.stdout, sys.stderr = streams
    tqdm.set_lock(threading.RLock())  # its own is shared with other processes, and stays behind when this one is ended
    while True:
        job = connection.recv()
        for stream in streams:
            stream.title = job.title if beside > 1 else ""
        connection.send(outcome_of(job))


def outcome_of(job: Work) -> tuple[Outcome, str]:
    """Does a job, and says what became of it, with what there is to be told."""
    try:
        job.do()
    except BusyFolder as error:
        return "busy", str(error)
    except Ada3DError as error:
        return "failed", str(error)
    except Exception:
        return "fault", traceback.format_exc()
    return "done", ""


def _end_with_parent() -> None:
    """A parent that was killed leaves nobody behind who works in its folders."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # which alone may say so
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
