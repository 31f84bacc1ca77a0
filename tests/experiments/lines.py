"""Lines of results in tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ada3d_gym.experiments.results import Result

MEASURED = ("seconds", "milliseconds", "milliseconds_selection")


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The lines of a file of results by method; none where there is no file."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {line["method"]: line for line in lines}


def timeless(line: dict[str, Any]) -> dict[str, Any]:
    """A line without what no two judgements have alike."""
    return {key: value for key, value in line.items() if key not in MEASURED}


def result(method: str, **changes: Any) -> Result:
    """A line as a judgement could write it."""
    values = {"top1": 91.25, "map": 95.5, "gmacs": 0.02, "gmacs_selection": 0.001, "frames": 4.5, "stages": 2.5}
    known = {"distinct_masks": 20, "seconds": 1.5, "seed": 0, "visible_kept": 60.0, "visible_chance": 45.0}
    usage = {"top1": 99.0, "frames": 2.0, "stages": 1.0}
    families = {"by_family": dict.fromkeys(("scene", "object", "motion"), usage)}
    return Result(method, **{**values, **known, **families, **changes})
