"""Rows of Table 2: the setting of each method that the validation videos choose, on the test videos."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ada3d_gym.agents.looking.judging import Judgement
from ada3d_gym.experiments.paper.published import PaperRow, published
from ada3d_gym.experiments.paper.table2_jobs import Point

Runs = Sequence[Sequence[Point]]
"""The points of a method's runs, one a seed."""
Found = Mapping[tuple[str, int], Runs]
"""The runs of each method and number of clips that are finished."""


@dataclass(frozen=True)
class RowKind:
    """Attributes:
    name: of the row.
    method: whose runs it shows.
    rules: which of their points it chooses among.
    """

    name: str
    method: str
    rules: tuple[str, ...] = ("never",)


VANILLA = "uniform (the paper's vanilla)"
ADAFRAME = "AdaFrame"
KINDS = (
    RowKind(VANILLA, "Uniform"),
    RowKind("random places", "Random"),
    RowKind("uniform, early exit", "Early exit", ("confidence",)),
    RowKind("uniform + LSTM, all looks", "Uniform + LSTM"),
    RowKind("uniform + LSTM, patience", "Uniform + LSTM", ("never", "patience")),
    RowKind("uniform + LSTM, early exit", "Uniform + LSTM", ("never", "confidence")),
    RowKind("AdaFrame, all looks", "AdaFrame"),
    RowKind(ADAFRAME, "AdaFrame", ("never", "patience")),
    RowKind("AdaFrame, early exit", "AdaFrame", ("never", "confidence")),
    RowKind("PPO", "PPO"),
    RowKind("RecurrentPPO", "RecurrentPPO"),
    RowKind("one look, knowing the label", "Oracle"),
)


@dataclass(frozen=True)
class Row:
    """Attributes:
    clips: K, the column.
    name: of the method.
    points: the chosen ones, one a seed.
    uniform_clips: how many uniform clips reach its mean mAP, between whole numbers by a straight line; None where not
        even all places do.
    paper: the paper's clips and mAP.
    """

    clips: int
    name: str
    points: tuple[Point, ...]
    uniform_clips: float | None
    paper: PaperRow | None

    def values(self, of: Callable[[Judgement], float]) -> list[float]:
        """A figure on the test videos, of each seed."""
        return [of(point.test) for point in self.points]


def rows(found: Found, clips: Sequence[int]) -> list[Row]:
    """All rows whose runs are there, column by column."""
    vanilla = {number: runs[0][0] for (method, number), runs in found.items() if method == "Uniform" and runs}
    uniform = {number: point.test for number, point in vanilla.items()}
    made = []
    for number in clips:
        standard = max((point.val.map for fewer, point in vanilla.items() if fewer <= number), default=0.0)
        for kind in KINDS:
            runs = found.get((kind.method, 1 if kind.method == "Oracle" else number), ())
            if runs:
                points = tuple(chosen(run, kind.rules, standard) for run in runs)
                reached = float(np.mean([point.test.map for point in points]))
                made.append(Row(number, kind.name, points, uniform_needed(uniform, reached), _paper(number, kind.name)))
    return made


def chosen(points: Sequence[Point], rules: Sequence[str], standard: float) -> Point:
    """The cheapest point whose mAP on the validation videos is no lower than `standard`; if there is none, the one with
    the highest.

    The standard is the best mAP there of uniform clips, as many as the column says or fewer: on few videos, more clips
    are worse by chance.
    """
    allowed = [point for point in points if point.rule in rules]
    good = [point for point in allowed if point.val.map >= standard]
    if good:
        return min(good, key=lambda point: (point.val.macs, -point.val.map))
    return max(allowed, key=lambda point: (point.val.map, -point.val.macs))


def uniform_needed(uniform: Mapping[int, Judgement], reached: float) -> float | None:
    """How many uniform clips have this mAP; None where none of these numbers does."""
    numbers = sorted(uniform)
    best = np.maximum.accumulate([uniform[number].map for number in numbers])
    if not len(best) or best[-1] < reached:
        return None
    after = int(np.argmax(best >= reached))
    if not after:
        return float(numbers[0])
    share = (reached - best[after - 1]) / (best[after] - best[after - 1])
    return float(numbers[after - 1] + share * (numbers[after] - numbers[after - 1]))


def _paper(clips: int, name: str) -> PaperRow | None:
    printed = published("2")
    vanilla = next((place for place, row in enumerate(printed) if row.clips_per_video == clips), None)
    if vanilla is None or name not in (VANILLA, ADAFRAME):
        return None
    return printed[vanilla + (name == ADAFRAME)]  # a column's two rows stand together
