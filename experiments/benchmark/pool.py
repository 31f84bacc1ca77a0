"""Doing many jobs in several processes, with progress that says how far they are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeVar

from ada3d_gym.experiments.folders import BusyFolder
from ada3d_gym.experiments.workers import RunError, Work, Worker, wait_for_any, workers
from ada3d_gym.progress import Progress

Job = TypeVar("Job", bound=Work)


def do_all(jobs: Sequence[Job], count: int, description: str, done: int = 0) -> list[Job]:
    """Does all jobs.

    Args:
        jobs: in the order in which they are begun.
        count: of processes; one means this process.
        description: of all, on the bar.
        done: that were done before.

    Returns:
        Those that were left to other processes, which work on them.

    Raises:
        Ada3DError, RuntimeError: the first fault of a job, once all others are done; at once where a process has died.
    """
    left: list[Job] = []
    faults: list[Exception] = []
    with Progress(done + len(jobs), description, "run", done) as shown:
        if min(count, len(jobs)) < 2:
            for job in jobs:
                shown.doing(job.title)
                try:
                    job.do()
                except BusyFolder:
                    left.append(job)
                except Exception as error:
                    faults.append(error)
                shown.add()
            waiting: list[Job] = []
        else:
            waiting = list(reversed(jobs))
        with workers(min(count, len(waiting))) as all_of_them:
            at_work: dict[Worker, Job] = {}
            while waiting or at_work:
                for worker in all_of_them:
                    if not worker.busy and waiting:
                        job = waiting.pop()
                        worker.start(job)
                        at_work[worker] = job
                        shown.doing(job.title)
                wait_for_any(list(at_work))
                for worker, job in list(at_work.items()):
                    try:
                        outcome = worker.outcome()
                    except (RunError, RuntimeError) as error:
                        if not worker.alive:
                            raise
                        faults.append(error)
                        outcome = True, ""
                    if outcome is not None:
                        del at_work[worker]
                        left += [] if outcome[0] else [job]
                        shown.add()
    if len(faults) > 1:
        print(f"{len(faults)} runs have failed; the first error is:", file=sys.stderr)
    if faults:
        raise faults[0]
    return left
