"""Pictures of a report, after those of rliable: intervals, learning curves, profiles, pairs, fronts.

Agents have the colours of Okabe and Ito, which colour-blind people can tell apart, and markers of their own, the same
in all pictures. References are dashed grey lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ada3d_gym.experiments.benchmark.comparison import Comparison, Row
from ada3d_gym.experiments.benchmark.references import CLASS, CONSTANT, FAMILY, ORACLE, UPPER
from ada3d_gym.experiments.benchmark.statistics import Estimate, iqm, mean, optimality_gap, profile
from ada3d_gym.experiments.benchmark.tables import unit_of
from ada3d_gym.experiments.canvas import subplots
from ada3d_gym.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
MARKERS = "os^Dv<>Xp*Phd"
DASHED = {ORACLE: (0, (1, 1)), CLASS: (0, (3, 1, 1, 1)), FAMILY: (0, (5, 2)), CONSTANT: (0, (8, 3)), UPPER: (0, (2, 4))}
SETTINGS: Any = {"svg.hashsalt": "ada3d", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
LOWEST = -1.0  # score that is shown: as far below the best constant as the best masks are above it
THRESHOLDS = 101  # of a profile


@dataclass(frozen=True)
class Picture:
    """Attributes:
    name: of its files, NAME.png and NAME.svg.
    title: what it shows, and how to read it.
    """

    name: str
    title: str


PICTURES = (
    Picture(
        "overview", "Scores with 95 % intervals, and while learning. 0: the best constant mask; 1: each clip's best."
    ),
    Picture(
        "intervals", "Aggregates over all runs of all tasks, with 95 % bootstrap intervals. The gap is better small."
    ),
    Picture("curves", "IQM of the scores after so many pulls, with 95 % intervals. What is below -1 is not shown."),
    Picture("profiles", "The share of runs whose scores are above a threshold, with pointwise 95 % intervals."),
    Picture("improvement", "How probably a run of the row has a better score than one of the column, in per cent."),
    Picture("fronts", "Accuracy against all multiply-accumulates of a clip: a point a gamma, means over runs."),
)


def draw_all(comparison: Comparison, folder: Path) -> list[Picture]:
    """Writes each as PNG and SVG; those that need a complete agent only where there is one."""
    drawn = []
    shown = _agents(comparison)
    makers: dict[str, Callable[[Comparison], Figure]] = {
        "overview": _overview,
        "intervals": _intervals,
        "curves": _curves,
        "profiles": _profiles,
        "improvement": _improvement,
        "fronts": _fronts,
    }
    import matplotlib  # takes long, and most commands that can report do not

    with matplotlib.rc_context(SETTINGS):
        for picture in PICTURES:
            if not shown and picture.name != "fronts":
                continue
            figure = makers[picture.name](comparison)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # laid out once, for both files
            for kind in ("png", "svg"):
                with replacing(folder / f"{picture.name}.{kind}", "choose another --to") as part:
                    metadata = {"Date": None} if kind == "svg" else None  # the same report has the same bytes
                    figure.savefig(part, dpi=130, format=kind, metadata=metadata)
            drawn.append(picture)
    return drawn


def _agents(comparison: Comparison) -> list[Row]:
    """With all tasks, ranked."""
    return [row for row in comparison.rows if row.complete and row.group != "exact"]


def _style(comparison: Comparison, row: Row) -> dict[str, Any]:
    place = [each.name for each in comparison.rows].index(row.name)
    return {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}


def _name(row: Row) -> str:
    """With what an agent that is not ranked learns from."""
    return row.name if row.group == "bandit" else f"{row.name} ({row.group})"


def _estimates(comparison: Comparison, axes: Axes, found: list[Estimate], sight: tuple[float, float]) -> None:
    """A marker and its interval an agent, from the top; the number alone where it is out of sight."""
    axes.use_sticky_edges = False  # bars otherwise end the axis, which cuts markers
    low, high = sight
    for place, (row, estimate) in enumerate(zip(_agents(comparison), found, strict=True)):
        style, value = _style(comparison, row), float(estimate.value)
        if not low <= value <= high:
            edge, text, side = (low, f"← {value:.2f}", "left") if value < low else (high, f"{value:.2f} →", "right")
            axes.text(edge, place, text, color=style["color"], ha=side, va="center")
            axes.plot(edge, place, alpha=0)  # the axis reaches as far
            continue
        if estimate.known:
            left, right = np.clip([estimate.low, estimate.high], low, high)
            axes.barh(place, right - left, 0.6, left, color=style["color"], alpha=0.35, linewidth=0)
        axes.plot(value, place, **style, markersize=5, linestyle="none")
    axes.set_yticks(range(len(found)), [_name(row) for row in _agents(comparison)])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.grid(axis="x", alpha=0.3)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _references(
    comparison: Comparison,
    line: Callable[..., object],
    score: Callable[[Row], float] = lambda row: float(row.iqm.value),
) -> None:
    """Dashed lines at the scores of references that are in sight of the agents, each with its name in the legend."""
    low = max(min([0.0, *map(score, _agents(comparison))]), LOWEST)
    for name, dashes in DASHED.items():
        row = next((each for each in comparison.rows if each.name == name), None)
        if row is not None and score(row) >= low - 0.05:
            line(score(row), color="0.45", linestyle=dashes, linewidth=1.1, zorder=0, label=name)


def _intervals(comparison: Comparison) -> Figure:
    rows = _agents(comparison)
    figure, columns = subplots(1, 3, figsize=(10, 0.3 * len(rows) + 1.6), sharey=True)
    aggregates = {"IQM score": iqm, "mean score": mean, "optimality gap": optimality_gap}
    for axes, (title, aggregate) in zip(columns, aggregates.items(), strict=True):
        found = [row.runs.estimate(aggregate, row.figures["score"]) for row in rows]
        _estimates(comparison, axes, found, (0, 1 - LOWEST) if aggregate is optimality_gap else (LOWEST, np.inf))
        axes.set_xlabel(title)
    _references(comparison, columns[0].axvline)
    _references(comparison, columns[1].axvline, lambda row: row.mean("score"))
    handles, labels = columns[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def _draw_curves(comparison: Comparison, axes: Axes) -> None:
    for row in _agents(comparison):
        style, found = _style(comparison, row), row.curve_iqm
        learns = row.group == "bandit"
        axes.plot(
            comparison.pulls, found.value, **style, markersize=4, linestyle="-" if learns else "--", label=_name(row)
        )
        if found.known:
            axes.fill_between(comparison.pulls, found.low, found.high, color=style["color"], alpha=0.15, linewidth=0)
    positive = comparison.pulls[comparison.pulls > 0]
    if len(positive) > 1:
        first = int(positive[0])
        axes.set_xscale("symlog", linthresh=first, linscale=0.4)
        axes.set_xticks(comparison.pulls, [f"{each:,}" for each in comparison.pulls], rotation=45, ha="right")
        axes.minorticks_off()
    axes.set_ylim(bottom=max(axes.get_ylim()[0], LOWEST))
    axes.set(xlabel="pulls: masks tried while learning", ylabel="IQM score")
    axes.grid(alpha=0.3)


def _curves(comparison: Comparison) -> Figure:
    figure, axes = subplots(figsize=(9, 5))
    _draw_curves(comparison, axes)
    _references(comparison, axes.axhline)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    return figure


def _overview(comparison: Comparison) -> Figure:
    rows = _agents(comparison)
    height = max(3.6, 0.27 * len(rows) + 1.6)
    figure, (left, right) = subplots(1, 2, figsize=(10.5, height), width_ratios=(1, 1.1))
    _estimates(comparison, left, [row.iqm for row in rows], (LOWEST, np.inf))
    left.set_xlabel("IQM score")
    _draw_curves(comparison, right)
    _references(comparison, left.axvline)
    _references(comparison, right.axhline)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def _profiles(comparison: Comparison) -> Figure:
    rows = _agents(comparison)
    scores = np.concatenate([row.figures["score"] for row in rows])
    taus = np.linspace(max(float(scores.min()), LOWEST), max(float(scores.max()), 1.0), THRESHOLDS)
    figure, axes = subplots(figsize=(9, 5))
    for row in rows:
        found, style = profile(row.figures["score"], taus, row.runs), _style(comparison, row)
        axes.plot(taus, found.value, **style, markevery=10, markersize=4, label=_name(row))
        if found.known:
            axes.fill_between(taus, found.low, found.high, color=style["color"], alpha=0.15, linewidth=0)
    _references(comparison, axes.axvline)
    axes.set(xlabel="score", ylabel="share of runs with a higher score", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    return figure


def _improvement(comparison: Comparison) -> Figure:
    rows = comparison.compared
    size = 0.42 * len(rows) + 2.2
    shares = np.array(
        [[np.nan if x is y else comparison.improvement[x.name, y.name].value for y in rows] for x in rows], np.float64
    )
    figure, axes = subplots(figsize=(size + 1, size))
    axes.imshow(100 * shares, cmap="PuOr", vmin=-40, vmax=140)  # pale, so that the numbers can be read
    for (here, there), share in np.ndenumerate(shares):
        if not np.isnan(share):
            axes.text(there, here, f"{100 * share:.0f}", ha="center", va="center", fontsize=8)
    names = [row.name if row.group == "exact" else _name(row) for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set_xticks(range(len(rows)), names, rotation=45, ha="left")
    axes.tick_params(length=0, top=False, bottom=False, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    return figure


def _fronts(comparison: Comparison) -> Figure:
    scale, unit = unit_of(comparison)
    fronts = comparison.fronts
    columns = min(2, len(fronts))
    lines = -(-len(fronts) // columns)
    figure, grid = subplots(lines, columns, figsize=(4.6 * columns + 2.4, 3.6 * lines), squeeze=False)
    for axes in grid.flat[len(fronts) :]:
        axes.set_visible(False)
    for axes, (name, numbers) in zip(grid.flat, fronts.items(), strict=False):
        its = comparison.references[numbers[0]]
        axes.step(
            its.front.macs / scale,
            100 * np.maximum.accumulate(its.front.accuracy),
            where="post",
            color="0.45",
            linestyle=DASHED[CONSTANT],
            label="all constants",
        )
        for row in comparison.rows:
            if set(numbers) <= set(row.tasks) and (row.group != "exact" or row.name in (ORACLE, CLASS, FAMILY)):
                total, accuracy = row.front(numbers)
                exact = row.group == "exact"
                style = {"color": "0.45", "marker": "+x1"[(ORACLE, CLASS, FAMILY).index(row.name)]} if exact else {}
                axes.plot(
                    total / scale,
                    100 * accuracy,
                    **(style or _style(comparison, row)),
                    linestyle=DASHED[row.name] if exact else "-",
                    linewidth=1,
                    markersize=6,
                    label=row.name if exact else _name(row),
                )
        axes.set_ylim(100 * its.worst[1], 101)
        axes.set_title(name, fontsize=9)
        axes.set(xlabel=f"total {unit} of a clip", ylabel="% right")
        axes.grid(alpha=0.3)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=8, frameon=False)
    return figure
