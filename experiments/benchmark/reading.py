"""All records of a suite and track, checked against the suite and each other."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from ada3d_gym.errors import InputError, did_you_mean
from ada3d_gym.experiments.benchmark.record import Record, Track, read_record
from ada3d_gym.experiments.benchmark.references import TaskReferences
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask, Suite

VERSIONS = ("ada3d-gym", "torch")  # that a training's numbers hang on


@dataclass(frozen=True)
class Entrant:
    """An agent with all its runs.

    Attributes:
        name: as on the command line.
        feedback: what it learns from, see `Record`.
        runs: of each task of the suite, by seed; none where a task is missing.
    """

    name: str
    feedback: str
    runs: tuple[tuple[Record, ...], ...]

    def all_runs(self) -> list[Record]:
        """Task after task."""
        return [record for runs in self.runs for record in runs]


def read_entrants(
    folder: Path, suite: Suite, track: Track, references: Sequence[TaskReferences], agents: Sequence[str] = ()
) -> tuple[list[Entrant], list[str]]:
    """All agents by name, and a warning for each file that is left out and for what makes runs differ.

    Args:
        folder: of the suite and track: `TASK/AGENT/seed0.json` and so on.
        suite: what was run.
        track: likewise.
        references: of each of the suite's tasks.
        agents: those to read; all by default.

    Raises:
        InputError: where nothing is left, or an agent has no run.
    """
    paths = sorted(folder.glob("*/*/seed*.json"))
    if not paths:
        raise InputError(f"{folder} has no records: run `ada3d benchmark run {suite.name}` first, or name its --output")
    by_task = {each.task.name: each for each in references}
    found: dict[tuple[str, str, int], tuple[Path, Record]] = {}
    warnings = []
    for path in paths:
        try:
            record = read_record(path)
            _check(path, record, suite, track, by_task)
            key = (record.agent, record.task.name, record.seed)
            if key in found:
                raise InputError(f"{path}: {record.agent} with seed {record.seed} is in {found[key][0]} already")
        except InputError as error:
            warnings.append(f"left out: {error}")
        else:
            found[key] = path, record
    if not found:
        raise InputError(f"{folder}: no record can be used; {warnings[0].removeprefix('left out: ')}")
    known = {agent for agent, _, _ in found}
    if unknown := [agent for agent in agents if agent not in known]:
        close = did_you_mean(unknown, known)
        raise InputError(f"no runs of {', '.join(unknown)}: expected some of {', '.join(sorted(known))}{close}")
    entrants = [
        _entrant(agent, [record for _, record in found.values() if record.agent == agent], suite)
        for agent in sorted(set(agents) or known)
    ]
    versions = {record.versions.get(key, "") for key in VERSIONS for _, record in found.values()}
    if len(versions) > len(VERSIONS):
        warnings.append(
            f"runs were made with different versions of {' or '.join(VERSIONS)}: {', '.join(sorted(versions))}"
        )
    return entrants, warnings + [told for each in entrants for told in _differences(each)]


def say(warnings: Sequence[str], most: int = 20) -> None:
    """Prints warnings to stderr, a line each; the first ones of many."""
    for told in warnings[:most]:
        print(f"warning: {told}", file=sys.stderr)
    if len(warnings) > most:
        print(f"warning: {len(warnings) - most} more like these", file=sys.stderr)


def _check(path: Path, record: Record, suite: Suite, track: Track, tasks: Mapping[str, TaskReferences]) -> None:
    if (record.suite, record.track) != (suite.name, track):
        raise InputError(f"{path}: of suite {record.suite}, track {record.track}; expected {suite.name}, {track}")
    if record.task.name not in tasks:
        raise InputError(f"{path}: of task {record.task.name}, which suite {suite.name} does not have")
    its = tasks[record.task.name]
    there, here = record.task.without_paths(), its.task.without_paths()
    if there != here:
        names = [each.name for each in fields(BenchmarkTask)]
        changed = [
            f"{name}: {getattr(there, name)!r} there, {getattr(here, name)!r} in the suite"
            for name in names
            if getattr(there, name) != getattr(here, name)
        ]
        raise InputError(f"{path}: of another task than the suite's of this name ({'; '.join(changed)})")
    about = its.test.table.about
    if record.clips_sha256 != about.clips_sha256:
        raise InputError(f"{path}: judged on other clips than those of {its.test.table.name}")
    if track != "full" and record.classifier_sha256 != about.classifier_sha256:
        raise InputError(f"{path}: judged with another classifier than that of {its.test.table.name}")


def _entrant(agent: str, records: Sequence[Record], suite: Suite) -> Entrant:
    runs: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda each: each.seed):
        runs[record.task.name].append(record)
    return Entrant(agent, records[0].feedback, tuple(tuple(runs[task.name]) for task in suite.tasks))


def _differences(entrant: Entrant) -> list[str]:
    """What makes runs of one agent different ones."""
    told = []
    for runs in entrant.runs:
        if runs and any(record.options != runs[0].options for record in runs):
            other = next(record for record in runs if record.options != runs[0].options)
            told.append(
                f"{entrant.name} on {runs[0].task.name}: seeds {runs[0].seed} and {other.seed} have different options"
            )
    if len({record.feedback for record in entrant.all_runs()}) > 1:
        told.append(f"{entrant.name}: its records name different kinds of feedback")
    return told
