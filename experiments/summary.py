"""Mean and spread of demo runs with several seeds:

for seed in 0 1 2; do python -m experiments.demo --seed $seed; done
python -m experiments.summary runs/demo-seed0 runs/demo-seed1 runs/demo-seed2
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tyro
from tabulate import tabulate

from experiments.cli import run
from experiments.results import METHODS, Result, ResultFile


def summary(folders: tyro.conf.Positional[tuple[Path, ...]]) -> None:
    """Prints a row a method, each figure as its mean over runs ± the standard deviation.

    Args:
        folders: of finished runs.
    """
    runs = [ResultFile(folder / "results.jsonl").results for folder in folders]
    if not all(runs):
        raise ValueError("no results in " + ", ".join(str(f) for f, r in zip(folders, runs, strict=True) if not r))
    methods = [method for method in METHODS if all(method in results for results in runs)]
    rows = [_row(method, [results[method] for results in runs]) for method in methods]
    headers = ["", "top-1", "mAP", "MMACs", "# 3D", "# frames", "masks"]
    print(tabulate(rows, headers, tablefmt="github", disable_numparse=True))
    for family in runs[0][methods[-1]].by_family:
        usage = [results["Ada3D"].by_family[family] for results in runs]
        figures = {key: _spread([each[key] for each in usage]) for key in ("frames", "stages", "top1")}
        print(f"Ada3D on {family} clips: " + ", ".join(f"{key} {value}" for key, value in figures.items()))


def _row(method: str, results: list[Result]) -> list[str]:
    figures = (
        [r.top1 for r in results],
        [r.map for r in results],
        [r.gmacs * 1e3 for r in results],
        [r.stages for r in results],
        [r.frames for r in results],
        [float(r.distinct_masks) for r in results],
    )
    return [method, *map(_spread, figures)]


def _spread(values: list[float]) -> str:
    spread = np.std(values, ddof=1) if len(values) > 1 else 0.0
    return f"{np.mean(values):.1f} ± {spread:.1f}"


if __name__ == "__main__":
    run(summary)
