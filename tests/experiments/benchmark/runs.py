"""Runs in tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ada3d_gym.experiments.benchmark.labels import label_options
from ada3d_gym.experiments.benchmark.learning import RunSpec
from ada3d_gym.experiments.benchmark.record import Track
from ada3d_gym.experiments.benchmark.suite import Suite

OWN = "tests.experiments.benchmark.own_agents:"


def spec(suite: Suite, agent: str, seed: int = 0, *, track: Track = "heads", task: int = 0, **options: Any) -> RunSpec:
    """A run on a task of a suite, as the command line makes it."""
    return RunSpec(suite.name, suite.tasks[task], track, agent, seed, label_options(agent, track) | options)


def timeless(folder: Path) -> dict[str, dict[str, Any]]:
    """All records below a folder by their paths in it, without what no two runs have alike."""
    read = {str(path.relative_to(folder)): json.loads(path.read_text()) for path in folder.rglob("*.json")}
    return {name: {key: value for key, value in each.items() if key != "seconds"} for name, each in read.items()}
