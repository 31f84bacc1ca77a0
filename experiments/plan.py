"""Lists of runs, some of which are made of what others have reached."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from ada3d_gym import launched, parallel
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.claims import Claimed, claim
from ada3d_gym.experiments.folders import BusyFolder
from ada3d_gym.experiments.inputs import claimed_by
from ada3d_gym.experiments.judging import load_masks
from ada3d_gym.experiments.pipeline import is_finished
from ada3d_gym.experiments.ray_runs import AGAIN, do_all_on_ray
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.experiments.results import Result, ResultFile, with_times
from ada3d_gym.experiments.runs import Run
from ada3d_gym.experiments.timing import Timed, milliseconds
from ada3d_gym.experiments.training import see_alike
from ada3d_gym.experiments.workers import Job, Worker, processes, wait_for_any, workers

T = TypeVar("T")


@dataclass(frozen=True)
class Task:
    """A run of a list.

    Attributes:
        folder: of the run, and what other tasks of the list know it by.
        compose: makes the run once all that it `needs` is finished.
        needs: folders of other tasks.
        upper: folder of the task that judges Upper for this one.
    """

    folder: Path
    compose: Callable[[], Run]
    needs: tuple[Path, ...] = ()
    upper: Path | None = None


def carry_out(
    tasks: Sequence[Task],
    device: str,
    *,
    count: int | None = None,
    wait: bool = False,
    ray: str | None = None,
    ray_cpus: int = 1,
) -> set[Path]:
    """Trains and judges all runs of a list that are not finished, in several processes where there are cores for them.

    Processes that torchrun has started train one run after another together.

    Args:
        tasks: in the order in which they are begun, as far as what they need allows it.
        device: where networks run.
        count: of processes; as many as `processes` says by default. One means this process.
        wait: for runs in which other processes work, and take those over that they give up: most of a list hangs on
            its first runs. An element of a SLURM array does in any case.
        ray: address of a Ray cluster that trains them, see `experiments.ray_runs`.
        ray_cpus: CPU cores that each run has to itself there.

    Returns:
        The folders of finished runs: all but those in which another process works, and those that need them.

    Raises:
        RunError, RuntimeError: what went wrong in another process; all are ended then.
    """
    wait = wait or "SLURM_ARRAY_TASK_ID" in os.environ
    if ray is not None:
        if launched.several():
            raise InputError("--ray starts processes itself: leave torchrun out")
        return do_all_on_ray(_Queue(tasks, device, wait), ray, ray_cpus)
    with parallel.joined(device):
        queue = _Queue(tasks, device, wait)
        running = min(processes(device) if count is None else count, len(queue.waiting))
        if running < 2 or parallel.world() > 1:
            return _one_by_one(queue)
        with workers(running) as all_of_them:
            return _at_once(queue, all_of_them)


def _one_by_one(queue: _Queue) -> set[Path]:
    while not queue.empty:
        if not (job := queue.next()):
            time.sleep(AGAIN)
            continue
        try:
            job.do()
            queue.ended(job.folder, True)
        except BusyFolder as error:
            queue.ended(job.folder, False, str(error))
    return queue.finished


def _at_once(queue: _Queue, all_of_them: list[Worker]) -> set[Path]:
    at_work: dict[Path, Worker] = {}
    while at_work or not queue.empty:
        for worker in all_of_them:
            if not worker.busy and (job := queue.next()):
                worker.start(job)
                at_work[job.folder] = worker
        if not at_work:
            time.sleep(AGAIN)
            continue
        wait_for_any(list(at_work.values()), AGAIN)
        for folder, worker in list(at_work.items()):
            if (outcome := worker.outcome()) is not None:
                del at_work[folder]
                queue.ended(folder, *outcome)
    return queue.finished


class _Queue:
    """What is still to be begun; of several processes that train together, the first decides."""

    def __init__(self, tasks: Sequence[Task], device: str, wait: bool):
        self._device, self._wait = device, wait
        self.finished: set[Path] = set()
        self.waiting: list[Task] = []
        self._total = len(tasks)
        self._begun: dict[Path, Task] = {}
        self._not_before: dict[Path, float] = {}  # of runs in which other processes were found at work
        for task in tasks:  # composed in order, what is finished needs no process
            if set(task.needs) <= self.finished and _first_says(partial(_is_done, task)):
                self.finished.add(task.folder)
            else:
                self.waiting.append(task)

    @property
    def empty(self) -> bool:
        """Whether nothing is left that may be begun here, now or later."""
        possible = self.finished | {task.folder for task in self._begun.values()}
        return not any(set(task.needs) <= possible for task in self.waiting)

    def next(self) -> Job | None:
        """A job whose needs are met, if there is one now."""
        found = _first_says(self._next)
        if found is None:
            return None
        task = self.waiting.pop(found)
        for folder in task.needs:
            see_alike(folder)
        self._begun[task.folder] = task
        return Job(task.compose(), task.folder, self._device, task.upper)

    def _next(self) -> int | None:
        now = time.monotonic()
        for number, task in enumerate(self.waiting):
            if set(task.needs) <= self.finished and self._not_before.get(task.folder, now) <= now:
                return number
        return None

    def ended(self, folder: Path, done: bool, told: str = "") -> None:
        task = self._begun.pop(folder)
        if done:
            self.finished.add(folder)
            if self._total > 1 and parallel.rank() == 0:
                print(f"{folder}: finished, {len(self.finished)} of {self._total} runs", flush=True)
            return
        if folder not in self._not_before:
            print(f"{folder}: left to the process that works in it", flush=True)
        if self._wait:
            self._not_before[folder] = time.monotonic() + AGAIN
            self.waiting.insert(0, task)


def _first_says(decide: Callable[[], T]) -> T:
    """What the first of several processes decides, in all."""
    said: list[T | None] = parallel.gather(decide() if parallel.rank() == 0 else None)
    return cast(T, said[0])


def _is_done(task: Task) -> bool:
    """Whether the very run is finished.

    Raises:
        InputError: where the folder holds another run.
    """
    run_ = task.compose()
    if not is_finished(run_, task.folder):
        return False
    with suppress(BusyFolder), claimed_by(run_, task.folder):
        return True
    return False  # somebody works there


@dataclass(frozen=True)
class Row:
    """A method of a table: a line of a run's results."""

    folder: Path
    line: str

    @property
    def result(self) -> Result:
        return ResultFile(self.folder / "results.jsonl").results[self.line]


def time_rows(rows: Mapping[str, Row], device: str) -> None:
    """Measures milliseconds a clip of methods that were judged on the same clips, and notes them in their lines.

    All take turns in this process, so that their ratios hold; of several that torchrun has started, in the first.
    Nothing to do where all lines have them, or another process measures them. The first row's run makes the
    classifier, whose weights do not matter for time.
    """
    if not launched.is_first() or _timed(rows):
        return
    with suppress(Claimed), claim(next(iter(rows.values())).folder / "timing", fatal=False):
        if not _timed(rows):
            _time(rows, device)


def _timed(rows: Mapping[str, Row]) -> bool:
    return all(row.result.milliseconds is not None for row in rows.values())


def _time(rows: Mapping[str, Row], device: str) -> None:
    methods = {}
    bandit = read_run(next(iter(rows.values())).folder, trust=True).bandit("test", device)
    for name, row in rows.items():
        if row.line == "Upper":
            methods[name] = Timed.everything(bandit)
            continue
        agent = None
        if row.result.gmacs_selection:
            run_ = read_run(row.folder, trust=True)
            agent = run_.make_agent(run_.bandit("test", device), device)
        methods[name] = Timed(*load_masks(row.folder, row.line), agent)
    for name, times in milliseconds(bandit, methods).items():
        row = rows[name]
        ResultFile(row.folder / "results.jsonl").add(with_times(row.result, times))
