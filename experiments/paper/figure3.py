"""The paper's Figure 3: recognition against operations, as the penalty gamma of a wrong answer says how much is spent.

    ada3d paper figure3
    ada3d paper figure3 --id Ada3D-ActivityNet-v0 --checkpoint I3D_8x8_R50.pkl --device cuda

Ada3D at each gamma; at the operations of each of its points, classifier and selection network together, random masks
and the most accurate constant mask, both with the classifier fine-tuned under them; and the cheapest constant mask at
Ada3D's accuracy. The paper has no constant masks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import tyro

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.figures import plot_fronts
from ada3d_gym.experiments.paper.lists import LEARNED, PaperRuns
from ada3d_gym.experiments.paper.options import DEFAULTS, PaperOptions
from ada3d_gym.experiments.paper.published import published
from ada3d_gym.experiments.paper.showing import Section, found_in, metric_of, show
from ada3d_gym.experiments.results import Result

GAMMAS = (1.5, 3.0, 6.0, 12.0)
METHODS = (LEARNED, "Random FT", "Fixed FT (same operations)")
AS_ACCURATE = "Fixed FT (same accuracy)"
FRONTS = {LEARNED: (LEARNED,), "Random FT": ("Random FT",), "Fixed FT": ("Fixed FT (same operations)", AS_ACCURATE)}


def sections(runs: PaperRuns, gammas: Sequence[float] = GAMMAS) -> list[Section]:
    """The points, by falling gamma."""
    rows = {"Upper": runs.rows("Upper")}
    for method in METHODS:
        for gamma in sorted(gammas, reverse=True):
            rows[f"{method}, gamma {gamma:g}"] = runs.rows(method, gamma=gamma)
    rows[AS_ACCURATE] = runs.rows(AS_ACCURATE)
    return [Section(f"Figure 3: gammas ({runs.options.id})", rows, {}, lambda row: row.table == "F3")]


def draw(found: Mapping[str, Sequence[Result]], runs: PaperRuns) -> None:
    """The picture, `figure3-ID.png` in the output folder."""
    fronts = {"Upper": [found["Upper"]]} if "Upper" in found else {}
    for method, rows in FRONTS.items():
        points = [results for name, results in found.items() if name.partition(", gamma")[0] in rows]
        if points:
            fronts[method] = sorted(points, key=lambda each: float(np.mean([result.gmacs_total for result in each])))
    if not fronts:
        return
    dataset = runs.options.dataset
    printed: dict[str, list[tuple[float, float]]] = {}
    for row in published("F3"):
        if dataset == "activitynet" and row.gflops_per_clip is not None:
            printed.setdefault(f"{row.method}, the paper's", []).append((row.gflops_per_clip, row.score))
    path = runs.options.folder / f"figure3-{runs.options.id}.png"
    plot_fronts(fronts, path, metric=metric_of(dataset), printed=printed)
    print(f"picture: {path}")


def figure3(options: tyro.conf.OmitArgPrefixes[PaperOptions] = DEFAULTS, gammas: tuple[float, ...] = GAMMAS) -> None:
    """Trains what is missing, prints the points and draws the picture.

    Args:
        options: what is reproduced, on what and where.
        gammas: penalties of a wrong answer; larger ones spend more.
    """
    options.check()
    if not gammas or not all(0 <= gamma < math.inf for gamma in gammas):
        raise InputError(f"gammas={list(gammas)}: expected finite numbers of at least 0")
    runs = PaperRuns(options)
    made = sections(runs, gammas)
    runs.finish()
    show(made, runs)
    draw(found_in(made[0], runs), runs)


if __name__ == "__main__":
    run(figure3)
