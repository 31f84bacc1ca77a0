"""Agents and exact references of a suite side by side: figures of every run, ranks, estimates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.experiments.benchmark.reading import Entrant
from ada3d_gym.experiments.benchmark.record import Point, Record, Standing
from ada3d_gym.experiments.benchmark.references import CHANCE, CLASS, CONSTANT, FAMILY, ORACLE, UPPER, TaskReferences
from ada3d_gym.experiments.benchmark.statistics import (
    Bootstrap,
    Estimate,
    Floats,
    Strata,
    iqm,
    probability_of_improvement,
)
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask
from ada3d_gym.seeding import spawn

Group = Literal["bandit", "full", "none", "exact"]
GROUPS: dict[Group, str] = {
    "bandit": "learn from what the masks that they try earn",
    "full": "are told what every mask earns (not ranked)",
    "none": "do not learn (not ranked)",
    "exact": "exact references, without any run",
}
MOST_POINTS = 16  # of a learning curve


@dataclass(frozen=True, eq=False)
class Row:
    """An agent or a reference.

    Attributes:
        name: its own.
        group: what it learns from.
        tasks: numbers of the suite's tasks that it has runs of.
        complete: whether these are all of them; no figures over all tasks otherwise.
        figures: (N,) of each run, task after task, NaN where a figure is not known: "score", "reward", "regret",
            "train_regret", "gap" (how much larger regret is on test than on training clips), "accuracy" in [0, 1],
            "macs" and "total" (with the agent's own networks) of a clip, "masks", "pulls", "seconds".
        curve: (P, N) scores at the comparison's numbers of pulls; None of a reference.
        runs: resampled.
        diverged: how many of the runs.
    """

    name: str
    group: Group
    tasks: tuple[int, ...]
    complete: bool
    figures: Mapping[str, Floats]
    curve: Floats | None
    runs: Bootstrap
    diverged: int = 0

    @cached_property
    def iqm(self) -> Estimate:
        """Of the scores."""
        return self.runs.estimate(iqm, self.figures["score"])

    @cached_property
    def curve_iqm(self) -> Estimate:
        """(P,) of the scores at each number of pulls."""
        assert self.curve is not None
        return self.runs.estimate(iqm, self.curve)

    def mean(self, figure: str) -> float:
        """Over tasks, of their means."""
        return float(self.runs.strata.task_means(self.figures[figure]).mean())

    def of_task(self, figure: str, number: int) -> tuple[float, float, float]:
        """The mean on a task of this number, and its interval; NaN where there is none."""
        place = self.tasks.index(number)
        found = self._by_task(figure)
        return float(found.value[place]), float(found.low[place]), float(found.high[place])

    def runs_of(self, number: int) -> int:
        """How many runs of a task."""
        return self.runs.strata.sizes[self.tasks.index(number)] if number in self.tasks else 0

    def _by_task(self, figure: str) -> Estimate:
        if figure not in self._means:
            self._means[figure] = self.runs.task_means(self.figures[figure])
        return self._means[figure]

    @cached_property
    def _means(self) -> dict[str, Estimate]:
        return {}

    def front(self, numbers: Sequence[int]) -> tuple[Floats, Floats]:
        """Means over runs of total multiply-accumulates and of accuracy (tasks,) on the tasks of these numbers."""
        places = [self.tasks.index(number) for number in numbers]
        total, accuracy = (
            self.runs.strata.task_means(self.figures[figure])[places] for figure in ("total", "accuracy")
        )
        return total, accuracy

    def hypervolume(self, numbers: Sequence[int], its: TaskReferences) -> Estimate:
        """Of that front, see `TaskReferences.hypervolume`."""
        places = [self.tasks.index(number) for number in numbers]
        total, accuracy = (
            self.runs.strata.task_means(self.figures[figure][self.runs.indices])[:, places]
            for figure in ("total", "accuracy")
        )
        return self.runs.around(its.hypervolume(*self.front(numbers)), its.hypervolume(total, accuracy))


class Comparison:
    """Rows of a report.

    Args:
        references: of each task of the suite.
        entrants: the agents.
        resamples: for intervals.
        seed: what these hang on, of each agent by itself.

    Attributes:
        rows: agents by their group and IQM, then agents that lack tasks; references at the end.
        pulls: (P,) at which curves are looked at.
    """

    def __init__(self, references: Sequence[TaskReferences], entrants: Iterable[Entrant], resamples: int, seed: int):
        self.references, self.resamples, self.seed = tuple(references), resamples, seed
        entrants = list(entrants)
        self.pulls = _grid(record for each in entrants for record in each.all_runs())
        rows = [*map(self._agent, entrants), *map(self._reference, self._common_references())]
        self.rows = sorted(rows, key=_place)

    @property
    def tasks(self) -> list[BenchmarkTask]:
        """In the suite's order."""
        return [each.task for each in self.references]

    def row(self, name: str) -> Row:
        """By name."""
        return next(each for each in self.rows if each.name == name)

    def rank(self, row: Row) -> int | None:
        """Of an agent that learns from what its masks earn and has all tasks, the first being 1; None of others."""
        ranked = self.group("bandit")
        return ranked.index(row) + 1 if row in ranked else None

    def group(self, group: Group, *, complete: bool = True) -> list[Row]:
        """The rows of a group, ranked; those with all tasks alone, where `complete`."""
        return [each for each in self.rows if each.group == group and (each.complete or not complete)]

    @cached_property
    def compared(self) -> list[Row]:
        """What is compared in pairs and pictures: agents with all tasks, and the best constant."""
        return [each for each in self.rows if each.complete and (each.group != "exact" or each.name == CONSTANT)]

    @cached_property
    def improvement(self) -> dict[tuple[str, str], Estimate]:
        """P(X > Y) of each pair of those, by their names."""
        found = {}
        for x, y in combinations(self.compared, 2):
            share = probability_of_improvement(x.figures["score"], y.figures["score"], x.runs, y.runs)
            found[x.name, y.name] = share
            found[y.name, x.name] = Estimate(1 - share.value, 1 - share.high, 1 - share.low)
        return found

    @cached_property
    def fronts(self) -> dict[str, list[int]]:
        """Numbers of the tasks that differ in their gammas alone, by what they share."""
        found: dict[str, list[int]] = defaultdict(list)
        for number, task in enumerate(self.tasks):
            shaped = "" if task.reward == "accuracy" else f", reward {task.reward}"
            found[f"{task.env}, cost {task.cost}{shaped}"].append(number)
        return {name: sorted(numbers, key=lambda each: self.tasks[each].gamma) for name, numbers in found.items()}

    def _agent(self, entrant: Entrant) -> Row:
        tasks = tuple(number for number, runs in enumerate(entrant.runs) if runs)
        pairs = [(record, self.references[number]) for number in tasks for record in entrant.runs[number]]
        figures = _figures(
            [(record.test, record.train, its) for record, its in pairs],
            selection=[record.macs_selection for record, _ in pairs],
            pulls=[record.pulls for record, _ in pairs],
            seconds=[record.seconds for record, _ in pairs],
        )
        curve = np.stack([_curve(record, its, self.pulls) for record, its in pairs], axis=1)
        strata = Strata(tuple(len(entrant.runs[number]) for number in tasks))
        runs = Bootstrap(strata, self.resamples, spawn(self.seed, *entrant.name.encode()))
        complete = len(tasks) == len(self.references)
        diverged = sum(bool(record.diverged) for record, _ in pairs)
        group = next(each for each in GROUPS if each == entrant.feedback)
        return Row(entrant.name, group, tasks, complete, figures, curve, runs, diverged)

    def _common_references(self) -> list[str]:
        """Those that all tasks have."""
        names = (CONSTANT, FAMILY, CLASS, ORACLE, UPPER, CHANCE)
        return [name for name in names if all(name in each.rows for each in self.references)]

    def _reference(self, name: str) -> Row:
        pairs = [(each.rows[name], each) for each in self.references]
        nothing = [0.0] * len(pairs)
        figures = _figures([(each.test, each.train, its) for each, its in pairs], nothing, nothing, nothing)
        runs = Bootstrap(Strata((1,) * len(pairs)), self.resamples, spawn(self.seed), exact=True)
        return Row(name, "exact", tuple(range(len(pairs))), True, figures, None, runs)


def _place(row: Row) -> tuple[int, bool, float]:
    exact = row.group == "exact"
    return list(GROUPS).index(row.group), not row.complete, 0.0 if exact else -float(row.iqm.value)


def _figures(
    standings: Sequence[tuple[Standing, Standing | None, TaskReferences]],
    selection: Sequence[float],
    pulls: Sequence[float],
    seconds: Sequence[float],
) -> dict[str, Floats]:
    def of(value: float | None) -> float:
        return np.nan if value is None else value

    tests = [test for test, _, _ in standings]
    macs = np.array([test.macs for test in tests], np.float64)
    regret = np.array([of(test.regret) for test in tests], np.float64)
    train_regret = np.array([of(train.regret) if train else np.nan for _, train, _ in standings], np.float64)
    return {
        "score": np.array([its.score(test.reward) for test, _, its in standings]),
        "reward": np.array([test.reward for test in tests], np.float64),
        "regret": regret,
        "train_regret": train_regret,
        "gap": regret - train_regret,
        "accuracy": np.array([test.accuracy for test in tests], np.float64),
        "macs": macs,
        "total": macs + np.array(selection),
        "masks": np.array([test.masks for test in tests], np.float64),
        "pulls": np.array(pulls, np.float64),
        "seconds": np.array(seconds, np.float64),
    }


def _grid(records: Iterable[Record]) -> NDArray[np.int64]:
    """(P,) numbers of pulls at which agents were judged; of very many, some, spread evenly by their logarithm."""
    stated = np.array(sorted({point.pulls for record in records for point in _points(record)}), np.int64)
    if len(stated) <= MOST_POINTS:
        return stated
    wanted = np.geomspace(max(stated[0], 1), stated[-1], MOST_POINTS - 1)
    return np.unique([stated[0], *stated[np.searchsorted(stated, wanted.round()).clip(max=len(stated) - 1)]])


def _curve(record: Record, its: TaskReferences, pulls: NDArray[np.int64]) -> Floats:
    """(P,) the score when it was last judged, until each number of pulls."""
    points = _points(record)
    places = np.searchsorted([point.pulls for point in points], pulls, side="right") - 1
    scores = np.array([its.score(point.test.reward) for point in points])
    return scores[np.maximum(places, 0)]


def _points(record: Record) -> list[Point]:
    """Of its curve, by pulls; that of its end where it has none."""
    return sorted(record.curve, key=lambda point: point.pulls) or [Point(record.pulls, record.test)]
