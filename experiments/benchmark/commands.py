"""The commands of the benchmark by name."""

from __future__ import annotations

import sys

from ada3d_gym.experiments.main import dispatch

COMMANDS = {
    "run": ("benchmark.run:run_suite", "runs agents on a suite of tasks, as far as that has not been done"),
    "report": ("benchmark.report:report", "tables, pictures and a page of what runs have shown"),
    "submit": ("benchmark.submit:submit", "makes submissions of runs"),
    "verify": ("benchmark.verify:verify", "plays the masks of submissions again, and recomputes every figure"),
    "tune": ("benchmark.tune:tune", "finds options of agents on validation clips, with as many trials for each"),
}


def main() -> None:
    """As `ada3d benchmark`."""
    dispatch("ada3d benchmark", COMMANDS, sys.argv[1:])
