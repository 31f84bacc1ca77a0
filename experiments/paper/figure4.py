"""The paper's Figure 4: what the learned masks keep, of the clips that cost least and of those that cost most.

    ada3d paper figure4
    ada3d paper figure4 --id Ada3D-FCVID-v0 --classes 8 --data-root FOLDER --device cuda

A row a class, by rising mean operations of Ada3D (seed 0); to the left the class's clip with the fewest operations, to
the right the one with the most, both of different videos and rightly classified.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray
from PIL import Image

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.envs.rendering import stack_sheets
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.figures import mask_sheet
from ada3d_gym.experiments.judging import load_masks
from ada3d_gym.experiments.paper.lists import LEARNED, PaperRuns
from ada3d_gym.experiments.paper.options import DEFAULTS, PaperOptions
from ada3d_gym.experiments.plan import Row
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.files import replacing
from ada3d_gym.prediction.config import CLASSIFIER

CLASSES = 14  # all of MotionShapes


def figure4(options: tyro.conf.OmitArgPrefixes[PaperOptions] = DEFAULTS, classes: int = CLASSES) -> None:
    """Trains Ada3D where it is missing and draws the sheet.

    Args:
        options: what is reproduced, on what and where; its first seed is drawn.
        classes: how many are shown: those with the lowest mean operations, and as many with the highest.
    """
    options.check()
    if classes < 1:
        raise InputError(f"classes={classes}: expected at least 1")
    runs = PaperRuns(options)
    rows = runs.rows(LEARNED)
    runs.finish()
    if not (done := runs.done(rows[:1])):
        print("the run is not finished yet: another process works on it")
        return
    path = options.folder / f"figure4-{options.id}.png"
    draw(done[0], path, classes, options.device)
    print(f"picture: {path}")


def draw(row: Row, path: Path, classes: int, device: str) -> None:
    """The sheet of a run's masks."""
    bandit = read_run(row.folder, trust=True).bandit("test", device, checkpoint=row.folder / CLASSIFIER)
    u, v = load_masks(row.folder, row.line)
    if len(u) != len(bandit.source):
        raise InputError(f"{row.folder}: clips that could not be decoded have no masks, so that none can be drawn")
    pairs = extremes(bandit, u, v)
    shown = pairs if len(pairs) <= classes else pairs[: (classes + 1) // 2] + pairs[len(pairs) - classes // 2 :]
    sheets = [np.concatenate([mask_sheet(bandit, clip, u, v) for clip in pair], axis=1) for pair in shown]
    with replacing(path) as part:
        Image.fromarray(stack_sheets(sheets)).save(part, format="png", optimize=True)
    bandit.source.close()


def extremes(bandit: ClipBandit, u: NDArray[np.bool_], v: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Of each class that has two rightly classified videos, by rising mean operations of all its clips, the clip with
    the fewest operations and the one with the most; u (N, T) and v (N, K) are the masks of all clips."""
    source = bandit.source
    ids = np.arange(len(source))
    macs, labels, videos = bandit.classifier.macs(u, v), source.labels(ids), ids // source.views
    found: list[tuple[float, tuple[int, int]]] = []
    for label in np.unique(labels).tolist():
        members = np.flatnonzero(labels == label)
        by_cost = members[np.argsort(macs[members], kind="stable")]
        first = _first_right(bandit, by_cost, u, v)
        if first is None:
            continue
        others = by_cost[videos[by_cost] != videos[first]]
        last = _first_right(bandit, others[::-1], u, v)
        if last is not None:
            found.append((float(macs[members].mean()), (first, last)))
    return [pair for _, pair in sorted(found)]


def _first_right(bandit: ClipBandit, ids: NDArray[np.int64], u: NDArray[np.bool_], v: NDArray[np.bool_]) -> int | None:
    """The first of the clips that is classified rightly."""
    for clip in ids.tolist():
        if bandit.pull(np.array([clip]), u[clip][None], v[clip][None]).correct[0]:
            return int(clip)
    return None


if __name__ == "__main__":
    run(figure4)
