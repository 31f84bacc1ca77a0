"""What measurements of decoding come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np

from benchmarks.feeding_process import Cell, Fed, Kind

QUIET = 0.1  # cores' worth of other work
PROJECTED = (64, 128)


def row(cell: Cell, fed: Sequence[Fed]) -> dict[str, Any]:
    """What the processes of a measurement did together."""
    clips, cpu = sum(each.clips for each in fed), sum(each.cpu for each in fed)
    longest = max(fed, key=lambda each: each.wall)
    own = sum(each.cpu / each.wall for each in fed)  # cores' worth
    return {
        "clips": cell.kind,
        "format": cell.format,
        "cores": cell.place.cores,
        "processes": cell.place.processes,
        "threads": cell.place.threads,
        "clips/s": sum(each.clips / each.wall for each in fed),
        "CPU ms": 1e3 * cpu / clips,
        "kB": sum(each.read for each in fed) / clips / 1e3,
        "others": max(0.0, longest.machine / longest.wall - own),
    }


def summary(rows: Sequence[Mapping[str, Any]], cores: int) -> dict[str, float]:
    """The figures that `ada3d paper cost` takes, and what they would be on more cores.

    Args:
        rows: see `row`.
        cores: that there are.
    """
    found: dict[str, float] = {}
    for kind in get_args(Kind):
        for each in (each for each in rows if each["clips"] == kind and each["cores"] == 1):
            name = kind if each["format"] == "files" else f"{kind}_{each['format']}"
            found[f"{name}_clips_per_core_second"] = 1e3 / each["CPU ms"]
            found[f"{name}_bytes_per_clip"] = 1e3 * each["kB"]
    for kind in ("training", "test"):
        files = [each for each in rows if each["clips"] == kind and each["format"] == "files"]
        scaling = efficiency(files, cores)
        found[f"{kind}_efficiency"] = scaling
        for number in PROJECTED:
            rate = number * scaling * found[f"{kind}_clips_per_core_second"]
            found[f"{kind}_clips_per_second_{number}_cores_projected"] = rate
            found[f"{kind}_disk_mb_per_second_{number}_cores_projected"] = rate * found[f"{kind}_bytes_per_clip"] / 1e6
    return found | {"cores": cores, "others": max(each["others"] for each in rows)}


def efficiency(rows: Sequence[Mapping[str, Any]], cores: int) -> float:
    """What a core of all still does of what one alone does, at most 1."""
    one = next(each for each in rows if each["cores"] == 1)
    every = [each for each in rows if each["cores"] == cores]
    best = max(every, key=lambda each: float(each["clips/s"]))
    if max(one["others"], best["others"]) < QUIET:
        return min(1.0, float(best["clips/s"] / one["clips/s"] / cores))
    return min(1.0, float(one["CPU ms"] / np.mean([each["CPU ms"] for each in every])))
