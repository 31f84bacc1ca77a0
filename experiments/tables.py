"""Results as tables to read, and as JSON for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from ada3d_gym.experiments.intervals import half_interval, interval
from ada3d_gym.experiments.results import Result
from ada3d_gym.files import replacing, writing

Found = Mapping[str, Sequence[Result]]
"""The results of each method, one a run."""


OPTIONAL = ("regret", "milliseconds")  # columns that tables go without where no row has them


@dataclass(frozen=True)
class Column:
    """A figure of a result.

    Attributes:
        key: its name in JSON, where numbers have the units of `Result`.
        header: its name in tables.
        digits: behind the decimal point there.
        of: the figure; None where a result does not have it.
        scale: what tables multiply it with.
    """

    key: str
    header: str
    digits: int
    of: Callable[[Result], float | None]
    scale: float = 1.0

    def known(self, results: Iterable[Result]) -> list[float]:
        """The figures of those results that have it, such as lines of before it was noted."""
        values = (self.of(result) for result in results)
        return [self.scale * value for value in values if value is not None]


def columns(results: Iterable[Result]) -> list[Column]:
    """Those of every table; multiply-accumulates in millions where networks are small."""
    small = max(result.gmacs for result in results) < 1
    scale, unit = (1e3, "MMACs") if small else (1.0, "GMACs")
    return [
        Column("reward", "reward", 2, lambda result: result.reward),
        Column("regret", "regret", 2, lambda result: result.regret),
        Column("top1", "top-1", 1, lambda result: result.top1),
        Column("map", "mAP", 1, lambda result: result.map),
        Column("gmacs", unit, 2, lambda result: result.gmacs, scale),
        Column("gmacs_selection", "selection", 2, lambda result: result.gmacs_selection, scale),
        Column("gmacs_total", "total", 2, lambda result: result.gmacs_total, scale),
        Column("milliseconds", "ms a clip", 3, lambda result: result.milliseconds),
        Column("stages", "# 3D", 1, lambda result: result.stages),
        Column("frames", "# frames", 1, lambda result: result.frames),
        Column("distinct_masks", "masks", 0, lambda result: result.distinct_masks),
    ]


def table(found: Found, style: str = "simple", *, count: bool = False) -> str:
    """A row a method: the figures of its one run, or means of several with 95 % intervals.

    Args:
        found: results of each row.
        style: of `tabulate`.
        count: say in a last column how many runs a row has.
    """
    everything = [result for results in found.values() for result in results]
    shown = [column for column in columns(everything) if column.key not in OPTIONAL or column.known(everything)]
    rows = [
        [method, *(_mean(column, results) for column in shown), *([len(results)] if count else [])]
        for method, results in found.items()
    ]
    headers = ["", *(column.header for column in shown), *(["runs"] if count else [])]
    align = ("left", *["right"] * (len(headers) - 1))
    return str(tabulate(rows, headers, tablefmt=style, disable_numparse=True, colalign=align))


def single_table(results: Iterable[Result]) -> str:
    """A row for each of several results."""
    return table({result.method: [result] for result in results})


def _mean(column: Column, results: Sequence[Result]) -> str:
    values = column.known(results)
    return interval(values, column.digits) if values else ""


def write_json(path: Path, found: Found, tables: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """The rows of the tables, and every result with all its figures, as docs/agents.md describes them.

    Args:
        path: of the file.
        found: results of each method.
        tables: of each title, the method of each row; one table of all methods by default.
    """
    content = {
        "tables": [
            {"title": title, "rows": [_row(name, found[method]) for name, method in rows.items()]}
            for title, rows in (tables or {"": {method: method for method in found}}).items()
        ],
        "results": [
            asdict(result) | {"method": method, "gmacs_total": result.gmacs_total}
            for method, results in found.items()
            for result in results
        ],
    }
    with writing(path, "choose another --json"), replacing(path) as part:
        part.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


def write_csv(path: Path, found: Found, tables: Mapping[str, Mapping[str, str]]) -> None:
    """The rows of tables: title, method and runs, then mean and half interval of each figure, in the units of `Result`.

    Args:
        path: of the file.
        found, tables: as in `write_json`.
    """
    lines = []
    for title, rows in tables.items():
        for name, method in rows.items():
            row = _row(name, found[method])
            line = {"table": title, "method": row.pop("method"), "runs": row.pop("runs")}
            for key, figure in row.items():
                line |= {key: figure["mean"], f"{key}_half_interval": figure["half_interval"]}
            lines.append(line)
    with writing(path), replacing(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def _row(name: str, results: Sequence[Result]) -> dict[str, Any]:
    figures = {}
    for column in columns(results):
        values = [value / column.scale for value in column.known(results)]
        mean = float(np.mean(values)) if values else None
        figures[column.key] = {"mean": mean, "half_interval": half_interval(values)}
    return {"method": name, "runs": len(results), **figures}
