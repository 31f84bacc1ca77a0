"""The pictures of a start's report, as bytes to be written into the page."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ada3d_gym.envs.rendering import stack_sheets
from ada3d_gym.experiments.canvas import subplots
from ada3d_gym.experiments.figures import mask_sheet
from ada3d_gym.experiments.own.findings import Findings
from ada3d_gym.experiments.own.runs import LEARNED

SHEETS = 3  # of each class, and of wrong answers


def front(found: Findings) -> bytes:
    """SVG: accuracy of the test videos against all operations of a clip, with 95 % intervals of the methods."""
    figure, axes = subplots(figsize=(8.2, 4.4))
    points = found.constants
    axes.scatter(
        [point.macs / 1e6 for point in points],
        [point.top1 for point in points],
        s=18,
        color="0.65",
        label="constant masks, not fine-tuned",
    )
    for (method, result), marker in zip(found.results.items(), "os^vDP", strict=False):
        low, high = found.interval(method)
        learned = method == LEARNED
        axes.errorbar(
            1e3 * result.gmacs_total,
            result.top1,
            [[max(result.top1 - low, 0)], [max(high - result.top1, 0)]],
            marker="*" if learned else marker,
            markersize=15 if learned else 7,
            linewidth=1,
            alpha=0.9,
            label=method,
            linestyle="none",
        )
    axes.set(xlabel="million multiply-accumulates a clip, selection network included", ylabel="test videos right (%)")
    axes.set_xlim(left=0)
    axes.set_ylim(top=102)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


def sheets(found: Findings, videos: Sequence[int]) -> bytes:
    """PNG: contact sheets of the middle clips of some test videos, one below the other.

    Args:
        found: of the start.
        videos: their places in `found.learned`.
    """
    views = found.bandit.source.views
    of = found.ids // views
    numbers = np.unique(of)
    drawn = []
    for video in videos:
        rows = np.flatnonzero(of == numbers[video])
        row = int(rows[len(rows) // 2])
        clip = int(found.ids[row])
        u, v = (np.zeros((clip + 1, mask.shape[1]), np.bool_) for mask in (found.u, found.v))
        u[clip], v[clip] = found.u[row], found.v[row]
        drawn.append(mask_sheet(found.bandit, clip, u, v))
    return _png(stack_sheets(drawn))


def right_ones(found: Findings) -> list[int]:
    """Some videos of each class that the policy gets right."""
    chosen: list[int] = []
    for label in range(len(found.bandit.source.class_names)):
        its = np.flatnonzero(found.learned.right & (found.learned.labels == label))
        chosen += its[:SHEETS].tolist()
    return chosen[: 4 * SHEETS]


def wrong_ones(found: Findings) -> list[int]:
    """The videos that the policy gets wrong, the surest first."""
    wrong = np.flatnonzero(~found.learned.right)
    surest: list[int] = wrong[(-found.learned.sure[wrong]).argsort(kind="stable")].tolist()
    return surest[: 2 * SHEETS]


def _png(pixels: NDArray[np.uint8]) -> bytes:
    drawn = io.BytesIO()
    Image.fromarray(pixels).save(drawn, "PNG", optimize=True)
    return drawn.getvalue()
