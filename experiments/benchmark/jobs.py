"""Runs of a suite: which there are, which are done, and doing one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.labels import label_options
from ada3d_gym.experiments.benchmark.learning import RunSpec, learn
from ada3d_gym.experiments.benchmark.record import Record, Track, read_record
from ada3d_gym.experiments.benchmark.suite import Suite
from ada3d_gym.experiments.claims import Claimed, claim
from ada3d_gym.experiments.folders import BusyFolder, folder_name
from ada3d_gym.experiments.timing import one_thread
from ada3d_gym.files import writing


@dataclass(frozen=True)
class BenchmarkJob:
    """A run, and the file that gets its record. The file is there once the run is done, and only then."""

    spec: RunSpec
    path: Path

    @property
    def folder(self) -> Path:
        """For messages."""
        return self.path

    @property
    def title(self) -> str:
        return f"{self.spec.task.name}, {self.spec.agent}, seed {self.spec.seed}"

    def do(self) -> None:
        """Computes the record and writes it, unless that has been done.

        Raises:
            BusyFolder: where another process computes it.
        """
        with claimed_file(self.path), one_thread(self.spec.device):
            if not self.path.exists():
                learn(self.spec).write(self.path)

    def check(self, record: Record) -> None:
        """Raises InputError where the file's record is of another run than this one."""
        spec = self.spec
        wanted = {"track": spec.track, "agent": spec.agent, "seed": spec.seed, "epochs_given": not spec.timed_epochs}
        different = [f"{key} {getattr(record, key)}" for key, value in wanted.items() if getattr(record, key) != value]
        if record.task.without_paths() != spec.task.without_paths():
            different.append(f"task {record.task}")
        theirs, ours = record.options, spec.options
        if spec.timed_epochs and record.feedback == "bandit":  # how many there are follows from the budget
            theirs, ours = ({**options, "epochs": 0} for options in (theirs, ours))
        different += [f"{key}={value!r}" for key, value in theirs.items() if ours.get(key) != value]
        if different:
            raise InputError(
                f"{self.path} is of another run ({', '.join(different)}): choose another --output, or delete it"
            )


def suite_jobs(
    suite: Suite, track: Track, agents: Sequence[str], seeds: int, output: Path, sets: Sequence[str], device: str
) -> list[BenchmarkJob]:
    """All runs of agents on a suite: of each task all agents, of each agent all seeds.

    Raises:
        InputError: for an unknown agent or a wrong option, before anything is computed.
    """
    options = {agent: label_options(agent, track, sets) for agent in agents}
    given = [each.partition("=")[0] for each in sets]
    return [
        BenchmarkJob(
            RunSpec(suite.name, task, track, agent, seed, options[agent], "epochs" not in given, device=device),
            record_path(output, suite.name, track, task.name, agent, seed),
        )
        for task in suite.tasks
        for agent in agents
        for seed in range(seeds)
    ]


def record_path(output: Path, suite: str, track: Track, task: str, agent: str, seed: int) -> Path:
    """Where a run's record lies."""
    name = "@".join(map(folder_name, agent.split("@")))
    return output / suite / track / task / name / f"seed{seed}.json"


def pending(jobs: Sequence[BenchmarkJob]) -> list[BenchmarkJob]:
    """Those that are still to be done.

    Raises:
        InputError: for a file that is no record, or that of another run.
    """
    left = []
    for job in jobs:
        if job.path.exists():
            job.check(read_record(job.path))
        else:
            left.append(job)
    return left


@contextmanager
def claimed_file(path: Path) -> Iterator[None]:
    """The making of a file is this process's alone, among all that share its folder.

    Raises:
        BusyFolder: while another process makes it; a process that was killed makes nothing.
    """
    with ExitStack() as stack:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:  # what two compute is the same, and each file whole
                stack.enter_context(claim(path, fatal=False))
            except Claimed:
                raise BusyFolder(f"another process works on {path}") from None
        try:
            yield
        finally:
            with suppress(OSError):  # Windows removes no open file; who gets hold of the old one finds the record there
                path.with_suffix(".lock").unlink()
