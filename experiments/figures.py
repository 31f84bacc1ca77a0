"""Pictures of results: accuracy against operations and time (the paper's Fig. 3) and learned masks (Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.envs.rendering import contact_sheet, stack_sheets
from ada3d_gym.experiments.canvas import subplots
from ada3d_gym.experiments.intervals import half_interval
from ada3d_gym.experiments.results import Result
from ada3d_gym.files import replacing

Axis = Literal["operations", "time"]
Metric = Literal["top-1", "mAP"]
_LABELS = {
    "operations": "multiply-accumulates per clip, selection network included (10$^6$)",
    "time": "measured time per clip, selection network included (ms)",
}
_TOP1 = "top-1 of the test videos (%)"


def plot_accuracy(results: Sequence[Result], path: Path, axis: Axis) -> None:
    """Video top-1 against what a clip costs in all: a marker for each method, named in a legend beside the axes, where
    names cannot cover each other.

    Methods whose time was not measured are left out where that is the axis.
    """
    figure, axes = subplots(figsize=(8.6, 4.8))
    for result, marker in zip(results, cycle("os^vDPXph<>"), strict=False):
        cost = 1e3 * result.gmacs_total if axis == "operations" else result.milliseconds
        if cost is None:
            continue
        learned = result.method.startswith("Ada3D")
        axes.scatter(
            cost,
            result.top1,
            s=190 if learned else 60,
            marker="*" if learned else marker,
            label=result.method,
            alpha=0.85,
            zorder=3,
        )
    axes.set(xlabel=_LABELS[axis], ylabel=_TOP1)
    axes.margins(0.08)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=9)
    figure.savefig(path, dpi=110)


def plot_fronts(
    fronts: Mapping[str, Sequence[Sequence[Result]]],
    path: Path,
    *,
    metric: Metric = "top-1",
    printed: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> None:
    """Score of the test videos against what a clip costs in all: a line a method, a point for each gamma.

    Args:
        fronts: of each method, the runs of each of its points, one a seed. Points are means, bars 95 % intervals of
            them, where there are three seeds or more. A method of one point is drawn without a line.
        path: of the picture.
        metric: of the videos.
        printed: others' points to stand beside, (10^9 multiply-accumulates, percent) each.
    """
    everything = [result for points in fronts.values() for results in points for result in results]
    scale, unit = (1e3, 6) if max(result.gmacs_total for result in everything) < 1 else (1.0, 9)
    figure, axes = subplots(figsize=(7.2, 4.8))
    for method, points in fronts.items():
        macs = [[scale * result.gmacs_total for result in results] for results in points]
        scores = [[score_of(result, metric) for result in results] for results in points]
        axes.errorbar(
            [float(np.mean(each)) for each in macs],
            [float(np.mean(each)) for each in scores],
            [half_interval(each) or 0.0 for each in scores],
            [half_interval(each) or 0.0 for each in macs],
            marker="o" if len(points) > 1 else "*",
            markersize=6 if len(points) > 1 else 14,
            linestyle="-" if len(points) > 1 else "none",
            capsize=3,
            label=method,
        )
    for method, pairs in (printed or {}).items():
        axes.plot(*zip(*sorted(pairs), strict=True), "x:", alpha=0.6, label=method)
    axes.set(
        xlabel=f"multiply-accumulates per clip, selection network included (10$^{unit}$)",
        ylabel=f"{metric} of the test videos (%)",
    )
    axes.legend()
    axes.grid(alpha=0.3)
    with replacing(path) as part:
        figure.savefig(part, dpi=110, format="png")


def score_of(result: Result, metric: Metric) -> float:
    """Percent, of the videos."""
    return result.map if metric == "mAP" else result.top1


def plot_regret(found: Sequence[tuple[str, str, float]], path: Path) -> None:
    """A bar for each method and split: its mean regret over runs.

    Args:
        found: (method, split, regret) of each run, "train" and "test", in the order of the bars from the top.
        path: of the picture.
    """
    methods = list(dict.fromkeys(method for method, _, _ in found))
    places = np.arange(len(methods))
    figure, axes = subplots(figsize=(7.6, 0.45 * len(methods) + 1.2))
    for offset, split, colour in ((-0.2, "train", "tab:blue"), (0.2, "test", "tab:orange")):
        runs = [[value for name, its, value in found if (name, its) == (method, split)] for method in methods]
        bars = axes.barh(places + offset, [np.mean(each) for each in runs], 0.38, color=colour, label=f"{split} clips")
        axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axes.set_yticks(places, methods)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("regret: reward of each clip's best mask minus the method's, mean over clips")
    axes.legend()
    with replacing(path) as part:
        figure.savefig(part, dpi=110, format="png")


def draw_masks(
    bandit: ClipBandit, u: NDArray[np.bool_], v: NDArray[np.bool_], folder: Path, per_family: int = 4
) -> None:
    """`masks-<family>.png`: contact sheets of some clips of each family under the masks u (N, T), v (N, K) of all;
    `masks.png`: the first of each family."""
    source = bandit.source
    clips: dict[str, list[int]] = {}
    for clip in range(source.views // 2, len(source), source.views):  # the middle clip of each video
        clips.setdefault(source.record(clip).family, []).append(clip)

    sheets = {
        family: [mask_sheet(bandit, clip, u, v) for clip in members[:per_family]] for family, members in clips.items()
    }
    sheets_by_file = {f"masks-{family or 'all'}": drawn for family, drawn in sheets.items()}
    sheets_by_file["masks"] = [drawn[0] for drawn in sheets.values()]
    for name, drawn in sheets_by_file.items():
        Image.fromarray(stack_sheets(drawn)).save(folder / f"{name}.png")


def mask_sheet(bandit: ClipBandit, clip: int, u: NDArray[np.bool_], v: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The contact sheet of a clip under its own of the masks u (N, T), v (N, K) of all."""
    masks = u[clip], v[clip]
    return contact_sheet(bandit, clip, masks, bandit.pull(np.array([clip]), masks[0][None], masks[1][None]))
