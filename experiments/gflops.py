"""The GFLOPs of the paper's Tables 1, 3 and 4 beside ours (multiply-accumulates in 10^9, at 256 x 256):

    ada3d gflops

The paper prints mean frames and mean stages, not which stages, so the cost of its policies is only known up to that:
a row gives ours for stages of average cost, and for the cheapest and the dearest choice. A second table has the figures
that X3D's paper prints of whole clips, at the size that it trains on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.paper.published import PaperRow, published
from ada3d_gym.networks.macs import MacCounter
from ada3d_gym.networks.spec import SPECS, X3D_M, X3D_S, X3D_XS

X3D = {X3D_XS: 0.6, X3D_S: 1.96, X3D_M: 4.73}  # Table 4 of X3D's paper
CLASSES = {"FCVID": 239, "ActivityNet": 200, "Mini-Kinetics": 200, "Kinetics": 400}
SIZE = 256


def gflops() -> None:
    """Prints a row for each figure that can be derived."""
    print(tabulate([compare(row) for row in derivable()], "keys", tablefmt="github", floatfmt=".1f"))
    print("\n" + tabulate(x3d(), "keys", tablefmt="github", floatfmt=".2f"))


def x3d() -> list[dict[str, str | float]]:
    """X3D's whole clips: what its paper prints (10^9 multiply-accumulates) beside our count, at 400 classes."""
    rows: list[dict[str, str | float]] = []
    for spec, printed in X3D.items():
        counter = MacCounter.of_spec(spec, spec.side, CLASSES["Kinetics"])
        off = np.zeros((1, spec.num_stages), np.bool_)
        rows.append(
            {
                "network": spec.name,
                "T": spec.frames,
                "side in pixels": spec.side,
                "paper": printed,
                "ours": counter.full(spec.frames) / 1e9,
                "all stages off": float(counter(np.ones((1, spec.frames), np.bool_), off)[0]) / 1e9,
            }
        )
    return rows


def derivable() -> list[PaperRow]:
    """The rows of the tables that print operations, frames and stages."""
    return [row for row in published() if row.table in ("1", "3", "4") and row.frames is not None]


def compare(row: PaperRow) -> dict[str, str | float]:
    """A row of the paper beside our count."""
    assert row.frames is not None and row.stages_3d is not None and row.gflops_per_clip is not None
    counter = MacCounter.of_spec(SPECS[row.backbone], SIZE, CLASSES[row.dataset])
    dearest_first = np.sort(counter.stage)[::-1]
    choices = (np.full(len(dearest_first), dearest_first.mean()), dearest_first[::-1], dearest_first)
    mean, cheapest, dearest = (cost(counter, row.frames, row.stages_3d, per_stage) for per_stage in choices)
    return {
        "table": row.table,
        "videos": row.dataset,
        "network": row.backbone,
        "T": row.frames_per_clip,
        "method": row.method,
        "frames": row.frames,
        "stages": row.stages_3d,
        "paper": row.gflops_per_clip,
        "ours": mean,
        "by choice of stages": f"{cheapest:.1f} to {dearest:.1f}",
    }


def cost(counter: MacCounter, frames: float, stages: float, per_stage: NDArray[Any]) -> float:
    """10^9 MACs of a clip with a mean number of frames and of stages, taken from the front of `per_stage`."""
    used = np.clip(stages - np.arange(len(per_stage)), 0, 1)
    return float(frames * (counter.frame + used @ per_stage) + counter.head) / 1e9


if __name__ == "__main__":
    run(gflops)
