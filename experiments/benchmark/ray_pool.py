"""Runs of a suite on a Ray cluster. Its nodes only compute: this process claims files, and writes the records.

So nodes share no folder with it. Each needs this package, and outcome tables and agents of one's own at the same paths.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from ada3d_gym.errors import Ada3DError
from ada3d_gym.experiments.benchmark.jobs import BenchmarkJob, claimed_file
from ada3d_gym.experiments.benchmark.learning import RunSpec, learn
from ada3d_gym.experiments.benchmark.record import Record
from ada3d_gym.experiments.folders import BusyFolder
from ada3d_gym.experiments.ray_cluster import AHEAD, Answers, connected, enter, options_of
from ada3d_gym.experiments.timing import one_thread
from ada3d_gym.experiments.workers import Outcome
from ada3d_gym.progress import Progress

MOST = 500  # runs sent at once: each claim is an open file, of which a process may commonly have 1,024


def do_all_on_ray(
    jobs: Sequence[BenchmarkJob], address: str, cpus: int = 1, at_once: int | None = None, done: int = 0
) -> list[BenchmarkJob]:
    """Does all jobs; counterpart of `pool.do_all`.

    Args:
        jobs: in the order in which they are begun.
        address: of the cluster, as HOST:PORT; "auto" for the one that this machine belongs to,
            "local" for one of this machine alone, which ends with this process.
        cpus: CPU cores that each run has to itself.
        at_once: runs sent at once; twice as many as there are places for by default.
        done: that were done before.

    Returns:
        Those that were left to other processes, which work on them.

    Raises:
        InputError: without Ray, or such a cluster.
        RunError, RuntimeError: what went wrong in a run; the others are ended then, and those that are done written.
    """
    ray = connected(address, cpus)
    try:
        return _Sender(ray, cpus, at_once).do(jobs, done)
    finally:
        ray.shutdown()


def compute(spec: RunSpec, folder: str) -> tuple[Outcome, Record | str]:
    """What a node does: the record of a run, or what went wrong.

    Args:
        spec: the run.
        folder: the driver's, from which relative paths of tables and modules of agents count, where the node has it.
    """
    enter(folder)
    try:
        with one_thread(spec.device):
            return "done", learn(spec)
    except Ada3DError as error:
        return "failed", str(error)
    except Exception:
        return "fault", traceback.format_exc()


class _Sender:
    """Sends runs, and writes what comes back."""

    def __init__(self, ray: Any, cpus: int, at_once: int | None):
        self._ray, self._cpus, self._at_once = ray, cpus, at_once
        self._compute = ray.remote(compute)
        self._sent: dict[Any, tuple[BenchmarkJob, ExitStack]] = {}  # by Ray's reference; claims are held
        self._answers = Answers(ray, "it is begun again")

    def do(self, jobs: Sequence[BenchmarkJob], before: int) -> list[BenchmarkJob]:
        left: list[BenchmarkJob] = []
        waiting = list(reversed(jobs))
        with Progress(before + len(jobs), "benchmark", "run", before) as self._shown:
            try:
                while waiting or self._sent:
                    while waiting and len(self._sent) < self._room():
                        self._claim_and_send(waiting.pop(), left)
                    if self._sent:
                        for done in self._ray.wait(list(self._sent))[0]:
                            self._take(done)
            except BaseException:
                self._end()
                raise
        return left

    def _room(self) -> int:
        """Runs that may be sent at once: the cluster may have grown."""
        if self._at_once is not None:
            return min(self._at_once, MOST)
        places = int(self._ray.cluster_resources().get("CPU", 0)) // self._cpus
        return min(max(AHEAD * places, 1), MOST)

    def _claim_and_send(self, job: BenchmarkJob, left: list[BenchmarkJob]) -> None:
        claim = ExitStack()
        try:
            claim.enter_context(claimed_file(job.path))
        except BusyFolder:
            left.append(job)
            self._shown.add()
            return
        if job.path.exists():  # since it was looked for, another process has done it
            claim.close()
            self._shown.add()
            return
        self._send(job, claim)

    def _send(self, job: BenchmarkJob, claim: ExitStack) -> None:
        options = options_of(job.spec.device, self._cpus, job.title)
        self._sent[self._compute.options(**options).remote(job.spec, os.getcwd())] = job, claim
        self._shown.doing(job.title)

    def _take(self, done: Any) -> None:
        """Writes the record of a run that has ended, or sends it once more.

        Raises:
            RunError, RuntimeError: where it failed.
        """
        job, claim = self._sent.pop(done)
        with claim:
            if (answer := self._answers.of(done, job.path)) is None:
                self._send(job, claim.pop_all())
                return
            answer[1].write(job.path)
            self._shown.add()

    def _end(self) -> None:
        """Writes the records that have come, and gives up all other runs."""
        if not self._sent:
            return
        come = self._ray.wait(list(self._sent), num_returns=len(self._sent), timeout=0)[0]
        for reference, (job, claim) in self._sent.items():
            with claim:
                if reference in come:
                    kind, told = self._ray.get(reference)
                    if kind == "done":
                        told.write(job.path)
                else:
                    self._ray.cancel(reference)
