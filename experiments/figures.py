"""Pictures of results: accuracy against MACs (the paper's Fig. 3) and learned masks (Fig. 4)."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.envs.rendering import contact_sheet, stack_sheets
from ada3d_gym.experiments.results import Result


def plot_accuracy(results: list[Result], path: Path) -> None:
    """Video top-1 against MACs a clip, a point for each method."""
    figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    for result in results:
        learned = result.method.startswith("Ada3D")
        macs = result.gmacs * 1e3
        axes.scatter(macs, result.top1, s=110 if learned else 55, marker="*" if learned else "o", zorder=3)
        axes.annotate(result.method, (macs, result.top1), textcoords="offset points", xytext=(7, -4), fontsize=9)
    axes.set(xlabel="10$^6$ multiply-accumulates per clip", ylabel="top-1 of the test videos (%)")
    axes.margins(0.15)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_fronts(fronts: dict[str, list[list[Result]]], folder: Path) -> Path:
    """`front.png`: a line an agent, a point for each gamma: means over seeds, bars of one standard deviation."""
    figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    for agent, points in fronts.items():
        macs = [np.array([result.gmacs for result in results]) for results in points]
        top1 = [np.array([result.top1 for result in results]) for results in points]
        axes.errorbar(
            [1e3 * each.mean() for each in macs],
            [each.mean() for each in top1],
            [each.std() for each in top1],
            [1e3 * each.std() for each in macs],
            marker="o",
            capsize=3,
            label=agent,
        )
    axes.set(xlabel="10$^6$ multiply-accumulates per clip", ylabel="top-1 of the test videos (%)")
    axes.legend()
    axes.grid(alpha=0.3)
    path = folder / "front.png"
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def draw_masks(
    bandit: ClipBandit, u: NDArray[np.bool_], v: NDArray[np.bool_], folder: Path, per_family: int = 4
) -> None:
    """`masks-<family>.png`: contact sheets of some clips of each family under the masks u (N, T), v (N, K) of all;
    `masks.png`: the first of each family."""
    source = bandit.source
    clips: dict[str, list[int]] = {}
    for clip in range(source.views // 2, len(source), source.views):  # the middle clip of each video
        clips.setdefault(source.record(clip).family, []).append(clip)

    def draw(clip: int) -> NDArray[np.uint8]:
        masks = u[clip], v[clip]
        return contact_sheet(bandit, clip, masks, bandit.pull(np.array([clip]), masks[0][None], masks[1][None]))

    sheets = {family: [draw(clip) for clip in members[:per_family]] for family, members in clips.items()}
    sheets_by_file = {f"masks-{family or 'all'}": drawn for family, drawn in sheets.items()}
    sheets_by_file["masks"] = [drawn[0] for drawn in sheets.values()]
    for name, drawn in sheets_by_file.items():
        Image.fromarray(stack_sheets(drawn)).save(folder / f"{name}.png", optimize=True)
