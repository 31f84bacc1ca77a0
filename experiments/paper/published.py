"""The paper's own figures, as it prints them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "tables.csv"


@dataclass(frozen=True)
class PaperRow:
    """A row of a table.

    Attributes:
        table: its number, or "F3" for points read off Figure 3.
        dataset, backbone: as in `tables.csv`; the network by its name in `ada3d_gym.networks.spec.SPECS`.
        frames_per_clip: T.
        clips_per_video: of each test video; of AdaFrame's rows their mean.
        method: as the paper calls it.
        metric: "mAP" or "top1".
        score: percent.
        gflops_per_clip: 10^9 multiply-accumulates of the 3D network; None where the table prints none, as below.
        stages_3d, frames: 3D stages and frames used on average.
    """

    table: str
    dataset: str
    backbone: str
    frames_per_clip: int
    clips_per_video: float
    method: str
    metric: str
    score: float
    gflops_per_clip: float | None
    stages_3d: float | None
    frames: float | None


@cache
def published(table: str | None = None) -> tuple[PaperRow, ...]:
    """The rows of a table, or of all, in the paper's order."""
    with FILE.open(newline="") as file:
        rows = tuple(_row(line) for line in csv.DictReader(file))
    return tuple(row for row in rows if table in (None, row.table))


def _row(line: dict[str, str]) -> PaperRow:
    def number(name: str) -> float | None:
        return float(line[name]) if line[name] else None

    return PaperRow(
        table=line["table"],
        dataset=line["dataset"],
        backbone=line["backbone"],
        frames_per_clip=int(line["frames_per_clip"]),
        clips_per_video=float(line["clips_per_video"]),
        method=line["method"],
        metric=line["metric"],
        score=float(line["score"]),
        gflops_per_clip=number("gflops_per_clip"),
        stages_3d=number("stages_3d"),
        frames=number("frames"),
    )
