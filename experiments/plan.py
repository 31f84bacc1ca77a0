"""Lists of runs, some of which are made of what others have reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ada3d_gym.experiments.folders import BusyFolder
from ada3d_gym.experiments.inputs import claimed_by
from ada3d_gym.experiments.judging import load_masks
from ada3d_gym.experiments.results import Result, ResultFile, with_times
from ada3d_gym.experiments.runs import Run, read_run
from ada3d_gym.experiments.timing import Timed, milliseconds
from ada3d_gym.experiments.train import is_finished
from ada3d_gym.experiments.workers import Job, Worker, processes, wait_for_any, workers


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


def carry_out(tasks: Sequence[Task], device: str, *, count: int | None = None) -> set[Path]:
    """Trains and judges all runs of a list that are not finished, in several processes where there are cores for them.

    Args:
        tasks: in the order in which they are begun, as far as what they need allows it.
        device: where networks run.
        count: of processes; as many as `processes` says by default. One means this process.

    Returns:
        The folders of finished runs: all but those in which another process works, and those that need them.

    Raises:
        RunError, RuntimeError: what went wrong in another process; all are ended then.
    """
    queue = _Queue(tasks, device)
    running = min(processes(device) if count is None else count, len(queue.waiting))
    if running < 2:
        while job := queue.next():
            try:
                job.do()
                queue.ended(job.folder, True)
            except BusyFolder as error:
                queue.ended(job.folder, False, str(error))
        return queue.finished
    with workers(running) as all_of_them:
        at_work: dict[Path, Worker] = {}
        while True:
            for worker in all_of_them:
                if not worker.busy and (job := queue.next()):
                    worker.start(job)
                    at_work[job.folder] = worker
            if not at_work:
                return queue.finished
            wait_for_any(list(at_work.values()))
            for folder, worker in list(at_work.items()):
                if (outcome := worker.outcome()) is not None:
                    del at_work[folder]
                    queue.ended(folder, *outcome)


class _Queue:
    """What is still to be begun."""

    def __init__(self, tasks: Sequence[Task], device: str):
        self._device = device
        self.finished: set[Path] = set()
        self.waiting: list[Task] = []
        for task in tasks:  # composed in order, what is finished needs no process
            if set(task.needs) <= self.finished and _is_done(task):
                self.finished.add(task.folder)
            else:
                self.waiting.append(task)

    def next(self) -> Job | None:
        """A job whose needs are met, if there is one now."""
        for task in self.waiting:
            if set(task.needs) <= self.finished:
                self.waiting.remove(task)
                return Job(task.compose(), task.folder, self._device, task.upper)
        return None

    def ended(self, folder: Path, done: bool, told: str = "") -> None:
        if done:
            self.finished.add(folder)
        else:
            print(f"{folder}: left to the process that works in it", flush=True)


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

    All take turns in this process, so that their ratios hold. Nothing to do where all lines have them. The first row's
    run makes the classifier, whose weights do not matter for time.
    """
    if not rows or all(row.result.milliseconds is not None for row in rows.values()):
        return
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
