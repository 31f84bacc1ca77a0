"""The figures of a report for programs: CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from ada3d_gym.experiments.benchmark.comparison import Comparison, Row
from ada3d_gym.experiments.benchmark.reading import Entrant
from ada3d_gym.experiments.benchmark.statistics import Aggregate, Estimate, iqm, mean, median, optimality_gap

AGGREGATES: dict[str, Aggregate] = {"iqm": iqm, "mean": mean, "median": median, "optimality_gap": optimality_gap}


def results_csv(comparison: Comparison, entrants: Iterable[Entrant]) -> str:
    """A row a run, in the units of `Record`."""
    rows = []
    for entrant in entrants:
        scores = iter(comparison.row(entrant.name).figures["score"])
        for record in entrant.all_runs():
            train = record.train
            rows.append(
                {
                    "suite": record.suite,
                    "track": record.track,
                    "task": record.task.name,
                    "agent": record.agent,
                    "feedback": record.feedback,
                    "seed": record.seed,
                    "score": float(next(scores)),
                    "reward": record.test.reward,
                    "regret": record.test.regret,
                    "train_reward": train and train.reward,
                    "train_regret": train and train.regret,
                    "accuracy": record.test.accuracy,
                    "macs": record.test.macs,
                    "macs_selection": record.macs_selection,
                    "masks": record.test.masks,
                    "pulls": record.pulls,
                    "seconds": record.seconds,
                    "diverged": record.diverged,
                }
            )
    return _csv(rows)


def summary_csv(comparison: Comparison) -> str:
    """A row an agent or reference over all tasks (`task` is empty), then one for each task; means but for `iqm`."""
    rows = [_overall(comparison, row) for row in comparison.rows if row.complete]
    for number, task in enumerate(comparison.tasks):
        rows += [_on_task(row, number, task.name) for row in comparison.rows if number in row.tasks]
    return _csv(rows)


def summary_json(comparison: Comparison, suite: str, track: str, warnings: list[str]) -> str:
    """All figures; intervals are [low, high], null where there are none."""
    content = {
        "suite": suite,
        "track": track,
        "resamples": comparison.resamples,
        "seed": comparison.seed,
        "pulls": comparison.pulls.tolist(),
        "tasks": [
            {
                "name": task.name,
                "env": task.env,
                "gamma": task.gamma,
                "cost": task.cost,
                "reward": task.reward,
                "pulls": task.pulls,
                "best_constant": its.constant,
                "oracle": its.oracle,
            }
            for task, its in zip(comparison.tasks, comparison.references, strict=True)
        ],
        "agents": [_described(comparison, row) for row in comparison.rows],
        "improvement": [
            {"agent": x, "over": y, **_estimate(found)} for (x, y), found in comparison.improvement.items()
        ],
        "fronts": [_front(comparison, name, numbers) for name, numbers in comparison.fronts.items()],
        "warnings": warnings,
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _overall(comparison: Comparison, row: Row) -> dict[str, Any]:
    return {
        "task": "",
        **_who(row, sum(row.runs.strata.sizes)),
        "rank": comparison.rank(row),
        "iqm": float(row.iqm.value),
        "iqm_low": _or_none(float(row.iqm.low)),
        "iqm_high": _or_none(float(row.iqm.high)),
        "optimality_gap": float(optimality_gap(row.figures["score"], row.runs.strata)),
        **{figure: _or_none(row.mean(figure)) for figure in row.figures},
    }


def _on_task(row: Row, number: int, task: str) -> dict[str, Any]:
    found: dict[str, Any] = {"task": task, **_who(row, row.runs_of(number))}
    for figure in row.figures:
        value, low, high = map(_or_none, row.of_task(figure, number))
        found[figure] = value
        if figure in ("score", "reward", "regret"):
            found |= {f"{figure}_low": low, f"{figure}_high": high}
    return found


def _who(row: Row, runs: int) -> dict[str, Any]:
    return {"agent": row.name, "feedback": row.group, "runs": 0 if row.group == "exact" else runs}


def _described(comparison: Comparison, row: Row) -> dict[str, Any]:
    scores = row.figures["score"]
    tasks = {}
    for number in row.tasks:
        figures = {figure: row.of_task(figure, number) for figure in row.figures}
        tasks[comparison.tasks[number].name] = {"runs": row.runs_of(number)} | {
            figure: {"value": _or_none(value), "interval": None if np.isnan(low) else [low, high]}
            for figure, (value, low, high) in figures.items()
        }
    return {
        "name": row.name,
        "feedback": row.group,
        "rank": comparison.rank(row),
        "runs": 0 if row.group == "exact" else sum(row.runs.strata.sizes),
        "diverged": row.diverged,
        "complete": row.complete,
        "score": {name: _estimate(row.runs.estimate(each, scores)) for name, each in AGGREGATES.items()}
        if row.complete
        else None,
        "curve": _estimate(row.curve_iqm) if row.complete and row.curve is not None else None,
        "means": {figure: _or_none(row.mean(figure)) for figure in row.figures} if row.complete else None,
        "tasks": tasks,
    }


def _front(comparison: Comparison, name: str, numbers: list[int]) -> dict[str, Any]:
    its = comparison.references[numbers[0]]
    most, least = its.worst
    rows = []
    for row in comparison.rows:
        if set(numbers) <= set(row.tasks):
            total, accuracy = row.front(numbers)
            rows.append(
                {
                    "name": row.name,
                    "total_macs": total.tolist(),
                    "accuracy": accuracy.tolist(),
                    "hypervolume": _estimate(row.hypervolume(numbers, its)),
                }
            )
    constants = {
        "total_macs": its.front.macs.tolist(),
        "accuracy": its.front.accuracy.tolist(),
        "hypervolume": float(its.hypervolume(its.front.macs, its.front.accuracy)),
    }
    return {
        "name": name,
        "gammas": [comparison.tasks[number].gamma for number in numbers],
        "reference_point": {"total_macs": most, "accuracy": least},
        "agents": rows,
        "all_constants": constants,
    }


def _estimate(found: Estimate) -> dict[str, Any]:
    interval = np.stack([found.low, found.high], -1).tolist() if found.known else None
    return {"value": found.value.tolist(), "interval": interval}


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def _csv(rows: list[dict[str, Any]]) -> str:
    """With the columns of all rows, empty where a row has none."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
