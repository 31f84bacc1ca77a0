"""The tables of a report: titles, headers, cells and notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
from tabulate import tabulate

from ada3d_gym.experiments.benchmark.comparison import GROUPS, Comparison, Row
from ada3d_gym.experiments.benchmark.references import TOLD
from ada3d_gym.experiments.benchmark.statistics import Estimate, mean, optimality_gap


@dataclass(frozen=True)
class Table:
    """Attributes:
    title: what it shows.
    headers: the first is that of names.
    rows: cells, as many as headers; a row of one cell is a heading.
    notes: what a reader has to know, a sentence each.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def text(self) -> str:
        """To be read in a terminal."""
        rows = [[*row, *[""] * (len(self.headers) - len(row))] for row in self.rows]
        align = ("left", *["right"] * (len(self.headers) - 1))
        made = tabulate(rows, self.headers, tablefmt="simple", disable_numparse=True, colalign=align)
        notes = [line for note in self.notes for line in wrap(note, 120)]
        return "\n".join([self.title, "", str(made), *([""] if notes else []), *notes])


def all_tables(comparison: Comparison) -> list[Table]:
    """In the order of the report."""
    return [
        overall(comparison),
        pairs(comparison),
        *([by_pulls(comparison)] if len(comparison.pulls) > 1 else []),
        *(front(comparison, name, numbers) for name, numbers in comparison.fronts.items()),
        *(of_task(comparison, number) for number in range(len(comparison.tasks))),
    ]


def unit_of(comparison: Comparison) -> tuple[float, str]:
    """What multiply-accumulates are divided by in tables, and its name."""
    return (1e6, "MMACs") if max(each.worst[0] for each in comparison.references) < 1e9 else (1e9, "GMACs")


def overall(comparison: Comparison) -> Table:
    """A row an agent, over all tasks."""
    scale, unit = unit_of(comparison)
    headers = [
        "agent",
        "rank",
        "runs",
        "IQM score",
        "gap to 1",
        "mean score",
        "P(> next)",
        "P(> first)",
        "pulls",
        f"total {unit}",
        "% right",
        "s a run",
    ]
    rows: list[list[str]] = []
    for group, heading in GROUPS.items():
        members = comparison.group(group, complete=False)
        if members:
            rows.append([f"-- {heading}"])
        for place, row in enumerate(members):
            if not row.complete:
                rows.append([f"{row.name} ({len(row.tasks)} of {len(comparison.tasks)} tasks)", "", _count(row)])
                continue
            after = members[place + 1 : place + 2]
            following = after[0].name if after and after[0].complete else ""
            exact = group == "exact"
            rows.append(
                [
                    row.name,
                    str(comparison.rank(row) or ""),
                    "" if exact else _count(row),
                    _with(row.iqm, 3),
                    _with(row.runs.estimate(optimality_gap, row.figures["score"]), 3, short=True),
                    _with(row.runs.estimate(mean, row.figures["score"]), 3, short=True),
                    "" if exact else _better(comparison, row.name, following),
                    "" if exact else _better(comparison, row.name, members[0].name if place else ""),
                    "" if exact else f"{row.mean('pulls'):,.0f}",
                    f"{row.mean('total') / scale:.2f}",
                    f"{100 * row.mean('accuracy'):.1f}",
                    "" if exact else f"{row.mean('seconds'):.1f}",
                ]
            )
    return Table("All tasks", headers, rows, list(_notes(comparison)))


def _notes(comparison: Comparison) -> Iterator[str]:
    tasks = len(comparison.tasks)
    yield (
        f"Score: 0 is what the mask that is best for all training clips alike earns on the test clips, 1 what the best "
        f"mask of each test clip earns. IQM: mean of the middle half of all runs of {tasks} tasks; in brackets 95 % "
        f"intervals, of {comparison.resamples:,} bootstrap resamples of the runs of each task."
    )
    yield (
        "P(> next), P(> first): how probably a run has a better score than one of the next agent of its group, and of "
        "the first. Gap to 1: how far below 1 runs are, those above 1 counted as 1. Total: the classifier and the "
        "agent's own networks, for a clip."
    )
    for name, told in TOLD.items():
        if any(row.name == name for row in comparison.rows):
            yield f"{name}: is told {told}."
    sizes = [row.runs.strata for row in comparison.rows if row.group != "exact"]
    if not all(each.even for each in sizes):
        yield "Where tasks have different numbers of runs, every task weighs the same."
    if any(not row.runs.certain for row in comparison.rows if row.group != "exact"):
        yield "Agents with one run of a task have no intervals: nothing is known of how runs differ."
    for row in comparison.rows:
        if row.diverged:
            yield (
                f"{row.name}: {row.diverged} of {sum(row.runs.strata.sizes)} runs diverged; each counts with its last "
                "finite policy."
            )
        if not row.complete:
            missing = [task.name for number, task in enumerate(comparison.tasks) if number not in row.tasks]
            yield f"{row.name}: not ranked, since it has no runs of {', '.join(missing)}."
    if any(np.isnan(row.figures["regret"]).any() for row in comparison.rows):
        yield (
            "Runs without regret changed the classifier. Their scores are on the scale of the pretrained one, whose "
            "best constant is 0 and whose best masks are 1, so they may exceed 1."
        )


def of_task(comparison: Comparison, number: int) -> Table:
    """A row an agent, on one task."""
    scale, unit = unit_of(comparison)
    headers = [
        "agent",
        "runs",
        "score",
        "reward",
        "regret",
        "regret, train",
        "test - train",
        "% right",
        unit,
        f"total {unit}",
        "masks",
    ]
    rows = []
    for row in comparison.rows:
        if number in row.tasks:
            exact = row.group == "exact"
            rows.append(
                [
                    row.name,
                    "" if exact else str(row.runs_of(number)),
                    _of_task(row, number, "score", 3, short=True),
                    _of_task(row, number, "reward", 3),
                    _of_task(row, number, "regret", 3),
                    _of_task(row, number, "train_regret", 3, short=True),
                    _of_task(row, number, "gap", 3, short=True),
                    _of_task(row, number, "accuracy", 1, 100, short=True),
                    _of_task(row, number, "macs", 2, 1 / scale, short=True),
                    _of_task(row, number, "total", 2, 1 / scale, short=True),
                    _of_task(row, number, "masks", 0, short=True),
                ]
            )
    task = comparison.tasks[number]
    title = f"{task.name}: {task.env}, gamma {task.gamma:g}, cost {task.cost}, {task.pulls:,} pulls"
    note = "Means over runs. Regret: how much more the best mask of each clip earns, on test and on training clips."
    return Table(title, headers, rows, [note])


def pairs(comparison: Comparison) -> Table:
    """How probably each row is better than each column."""
    rows = [
        [
            f"{place}. {x.name}",
            *("" if x is y else f"{100 * _share(comparison, x.name, y.name):.0f}" for y in comparison.compared),
        ]
        for place, x in enumerate(comparison.compared, start=1)
    ]
    headers = ["% of pairs in which it is better than", *(f"{place}." for place in range(1, len(rows) + 1))]
    return Table("Probability of improvement: a run of the row against one of the column", headers, rows)


def by_pulls(comparison: Comparison) -> Table:
    """Scores while learning."""
    curves = [row for row in comparison.compared if row.curve is not None]
    rows = [[row.name, *(f"{value:.3f}" for value in row.curve_iqm.value)] for row in curves]
    note = "IQM of the scores of the masks that an agent would choose after so many pulls."
    return Table("Score by pulls", ["agent", *(f"{each:,}" for each in comparison.pulls)], rows, [note])


def front(comparison: Comparison, name: str, numbers: Sequence[int]) -> Table:
    """Accuracy against total multiply-accumulates over the gammas."""
    scale, unit = unit_of(comparison)
    its = comparison.references[numbers[0]]
    most, least = its.worst
    rows = []
    for row in comparison.rows:
        if set(numbers) <= set(row.tasks):
            total, accuracy = row.front(numbers)
            points = [f"{100 * right:.1f} at {macs / scale:.2f}" for right, macs in zip(accuracy, total, strict=True)]
            rows.append([row.name, _with(row.hypervolume(numbers, its), 3), *points])
    rows.append(["all constants", f"{float(its.hypervolume(its.front.macs, its.front.accuracy)):.3f}"])
    headers = ["agent", "hypervolume", *(f"gamma {comparison.tasks[number].gamma:g}" for number in numbers)]
    notes = [
        f"Cells: % right at total {unit} of a clip, means over runs. Hypervolume: the area that the points cover, as a "
        f"share of all that is cheaper than the classifier with everything kept ({most / scale:.2f} {unit}) and "
        f"more often right than random masks ({100 * least:.1f} %).",
        f"All constants: the {len(its.front.macs)} masks that no other one beats on the training clips, judged on the "
        "test clips.",
    ]
    return Table(f"Front: {name}", headers, rows, notes)


def _count(row: Row) -> str:
    return str(sum(row.runs.strata.sizes))


def _share(comparison: Comparison, x: str, y: str) -> float:
    return float(comparison.improvement[x, y].value)


def _better(comparison: Comparison, name: str, other: str) -> str:
    return f"{_share(comparison, name, other):.2f}" if other else ""


def _with(estimate: Estimate, digits: int, *, short: bool = False) -> str:
    return _interval(float(estimate.value), float(estimate.low), float(estimate.high), digits, short=short)


def _of_task(row: Row, number: int, figure: str, digits: int, scale: float = 1.0, *, short: bool = False) -> str:
    value, low, high = (scale * each for each in row.of_task(figure, number))
    return _interval(value, low, high, digits, short=short)


def _interval(value: float, low: float, high: float, digits: int, *, short: bool = False) -> str:
    if np.isnan(value):
        return ""
    if np.isnan(low) or short:
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
