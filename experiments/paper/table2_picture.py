"""Table 2 as a picture: mAP against operations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ada3d_gym.experiments.canvas import subplots
from ada3d_gym.experiments.intervals import half_interval
from ada3d_gym.experiments.paper.table2_jobs import Point
from ada3d_gym.experiments.paper.table2_rows import Found, Runs
from ada3d_gym.files import replacing

LINES = {
    "uniform": ("Uniform", "never", "0.35", "-"),
    "random places": ("Random", "never", "0.6", ":"),
    "uniform, early exit": ("Early exit", "confidence", "tab:olive", "-"),
    "uniform + LSTM, patience": ("Uniform + LSTM", "patience", "tab:blue", "--"),
    "uniform + LSTM, early exit": ("Uniform + LSTM", "confidence", "tab:cyan", "-"),
    "AdaFrame, patience": ("AdaFrame", "patience", "tab:red", "-"),
    "AdaFrame, early exit": ("AdaFrame", "confidence", "tab:pink", "-"),
    "PPO": ("PPO", "never", "tab:green", "none"),
    "RecurrentPPO": ("RecurrentPPO", "never", "tab:purple", "none"),
}
"""Of each line, the method, the rule whose knob it traces, colour and style."""


def plot(found: Found, clips: Sequence[int], path: Path) -> None:
    """Test mAP against all operations of a video, a panel for each number of clips K.

    A knob traces a line; points are means over seeds, bars 95 % intervals of them from three seeds on. Uniform and
    random clips are lines over all numbers of clips, the same in every panel.
    """
    figure, panels = subplots(1, len(clips), figsize=(4.2 * len(clips) + 2.2, 4.4), sharey=True, squeeze=False)
    most = max(point.test.macs for runs in found.values() for run in runs for point in run)
    scale, unit = (1e6, 6) if most < 1e9 else (1e9, 9)
    for axes, number in zip(panels[0], clips, strict=True):
        for name, (method, rule, colour, style) in LINES.items():
            everywhere = method in ("Uniform", "Random")
            wanted = [(its, runs) for (kind, its), runs in found.items() if kind == method and runs]
            columns = [runs for its, runs in sorted(wanted, key=lambda each: each[0]) if everywhere or its == number]
            traced = [points for runs in columns for points in _settings(runs, rule)]
            if traced:
                scores = [[point.test.map for point in points] for points in traced]
                axes.errorbar(
                    [float(np.mean([point.test.macs for point in points])) / scale for points in traced],
                    [float(np.mean(each)) for each in scores],
                    [half_interval(each) or 0.0 for each in scores],
                    color=colour,
                    linestyle=style,
                    marker="*" if style == "none" else "o",
                    markersize=11 if style == "none" else 3,
                    linewidth=1.2,
                    elinewidth=0.6,
                    label=name,
                )
        axes.set(title=f"at most {number} clips", xlabel=f"multiply-accumulates per video, all of them (10$^{unit}$)")
        axes.grid(alpha=0.3)
    panels[0][0].set_ylabel("mAP of the test videos (%)")
    handles = {
        label: handle for axes in panels[0] for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside right upper", fontsize=8)
    with replacing(path) as part:
        figure.savefig(part, dpi=110, format="png")


def _settings(runs: Runs, rule: str) -> list[list[Point]]:
    """Of each setting of a rule's knob, at the lowest patience, the points of all seeds, from the cheapest on."""
    traced: dict[float, list[Point]] = {}
    for run in runs:
        allowed = [point for point in run if point.rule == rule]
        for point in allowed:
            if point.times == min(each.times for each in allowed):
                traced.setdefault(point.knob, []).append(point)
    return sorted(traced.values(), key=lambda points: float(np.mean([point.test.macs for point in points])))
