"""Runs on a Ray cluster whose nodes share a file system: each does runs in their folders."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.ray_cluster import AHEAD, Answers, connected, enter, options_of
from ada3d_gym.experiments.workers import Outcome, Work, outcome_of
from ada3d_gym.workers import share_cores

AGAIN = 10.0  # seconds until it is looked again whether another process has done a run


class Job(Work, Protocol):
    """A run that is done in a folder."""

    @property
    def device(self) -> str:
        """Where networks run."""

    def is_done(self) -> bool:
        """Whether its results are there."""


class Queue(Protocol):
    """Jobs, of which some can be done once others are."""

    finished: set[Path]

    @property
    def empty(self) -> bool: ...
    def next(self) -> Job | None: ...
    def ended(self, folder: Path, done: bool, told: str = "") -> None: ...


class AnyOrder:
    """Jobs that need no others.

    Args:
        jobs: in the order in which they are begun.
    """

    def __init__(self, jobs: Sequence[Job]):
        self.finished: set[Path] = set()
        self._waiting = list(reversed(jobs))

    @property
    def empty(self) -> bool:
        return not self._waiting

    def next(self) -> Job | None:
        return self._waiting.pop() if self._waiting else None

    def ended(self, folder: Path, done: bool, told: str = "") -> None:
        if done:
            self.finished.add(folder)


def do_all_on_ray(queue: Queue, address: str, cpus: int) -> set[Path]:
    """Does all jobs of a queue; a node's death costs what its run did since its state was last saved.

    Args:
        queue: of runs in folders that all nodes and this machine share.
        address: of the cluster, see `experiments.ray_cluster.connected`.
        cpus: CPU cores that each run has to itself.

    Returns:
        The folders of finished runs.

    Raises:
        InputError: without Ray, or such a cluster, or for a folder that is not shared.
        RunError, RuntimeError: what went wrong in a run; the others are ended then, and go on when they are begun anew.
    """
    ray = connected(address, cpus)
    try:
        return _Sender(ray, queue, cpus).do()
    finally:
        ray.shutdown()


def compute(job: Job, folder: str, cpus: int) -> tuple[Outcome, str]:
    """What a node does.

    Args:
        job: the run.
        folder: the driver's, from which relative paths count.
        cpus: cores of the node that the run has to itself.
    """
    enter(folder)
    _share(cpus)
    return outcome_of(job)


@cache  # Ray does several runs in one process
def _share(cpus: int) -> None:
    share_cores(max((os.cpu_count() or 1) // cpus, 1))


class _Sender:
    """Sends runs, and hears what became of them."""

    def __init__(self, ray: Any, queue: Queue, cpus: int):
        self._ray, self._queue, self._cpus = ray, queue, cpus
        self._compute = ray.remote(compute)
        self._sent: dict[Any, Job] = {}  # by Ray's reference
        self._answers = Answers(ray, "another one goes on")

    def do(self) -> set[Path]:
        try:
            while self._sent or not self._queue.empty:
                while len(self._sent) < self._room() and (job := self._queue.next()):
                    self._send(job)
                if not self._sent:  # others are at work on all that could be begun
                    time.sleep(AGAIN)
                    continue
                for done in self._ray.wait(list(self._sent), timeout=AGAIN)[0]:
                    self._take(done)
        except BaseException:
            for reference in self._sent:  # their folders are free once they have ended
                self._ray.cancel(reference, force=True)
            raise
        return self._queue.finished

    def _room(self) -> int:
        places = int(self._ray.cluster_resources().get("CPU", 0)) // self._cpus
        return max(AHEAD * places, 1)

    def _send(self, job: Job) -> None:
        options = options_of(job.device, self._cpus, str(job.folder))
        self._sent[self._compute.options(**options).remote(job, os.getcwd(), self._cpus)] = job

    def _take(self, done: Any) -> None:
        job = self._sent.pop(done)
        if (answer := self._answers.of(done, job.folder)) is None:
            self._send(job)
            return
        kind, told = answer
        if kind == "done" and not job.is_done():
            raise InputError(
                f"{job.folder}: a Ray node says that it is done, and nothing of it is here: give an --output that the "
                "nodes share with this machine"
            )
        self._queue.ended(job.folder, kind == "done", told)
