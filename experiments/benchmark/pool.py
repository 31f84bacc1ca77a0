"""Doing many jobs in several processes, with a bar that says how far they are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Protocol, TypeVar

from tqdm import tqdm

from ada3d_gym.experiments.folders import BusyFolder
from ada3d_gym.experiments.workers import RunError, Work, Worker, wait_for_any, workers


class TitledWork(Work, Protocol):
    """Work that says what it is."""

    @property
    def title(self) -> str: ...


Job = TypeVar("Job", bound=TitledWork)


def do_all(jobs: Sequence[Job], count: int) -> list[Job]:
    """Does all jobs.

    Args:
        jobs: in the order in which they are begun.
        count: of processes; one means this process.

    Returns:
        Those that were left to other processes, which work on them.

    Raises:
        Ada3DError, RuntimeError: the first fault of a job, once all others are done; at once where a process has died.
    """
    left: list[Job] = []
    faults: list[Exception] = []
    with tqdm(total=len(jobs), unit="run", smoothing=0.02, disable=None) as bar:
        if min(count, len(jobs)) < 2:
            for job in jobs:
                bar.set_description(job.title)
                try:
                    job.do()
                except BusyFolder:
                    left.append(job)
                except Exception as error:
                    faults.append(error)
                bar.update()
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
                        bar.set_description(job.title)
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
                        bar.update()
    if len(faults) > 1:
        print(f"{len(faults)} runs have failed; the first error is:", file=sys.stderr)
    if faults:
        raise faults[0]
    return left
