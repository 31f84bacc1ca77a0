"""The paper's Tables 1, 5 and 6 on MotionShapes, over several seeds:

    ada3d ablations --seeds 5

A seed is the list of runs of `ada3d demo`, in its folder, and three trainings more: without the first stage
(Table 5), and with one head learned and random masks for the other (Table 6). Figures are means with 95 % intervals,
Student's t over the seeds. Interrupted and started again, the command goes on where it was; started several times at
once, each process takes seeds that no other has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tabulate import tabulate

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.demo import Demo, composing, folder_of
from ada3d_gym.experiments.folders import check_output, claimed, shared
from ada3d_gym.experiments.intervals import interval
from ada3d_gym.experiments.results import Result
from ada3d_gym.experiments.rivals import Compose
from ada3d_gym.experiments.runs import plain
from ada3d_gym.experiments.tables import Found, table, write_json
from ada3d_gym.experiments.timing import one_thread

HEADS = ("stages", "frames")
METHODS = (
    "Upper",
    "2D only",
    "Random",
    "Random FT",
    "Fixed",
    "Fixed FT (same operations)",
    "Fixed FT (same accuracy)",
    "Ada3D, stage 1 only",
    "Ada3D",
)
TABLES = {
    "Table 1: methods": {method: method for method in METHODS},
    "Table 5: training stages (Tr: selection network alone; FT: joint fine-tuning)": {
        "Upper": "Upper",
        "no Tr, no FT": "Random",
        "Tr": "Ada3D, stage 1 only",
        "FT": "Ada3D, stage 2 only",
        "Tr + FT": "Ada3D",
    },
    "Table 6: learned heads, the other's masks random": {
        "Upper": "Upper",
        "none": "Random FT",
        "3D stages": "stages learned",
        "frames": "frames learned",
        "both": "Ada3D",
    },
}


class Ablations(Demo):
    """The list of a demo, and the trainings of Tables 5 and 6."""

    def __init__(self, folder: Path, composed: Compose):
        super().__init__(folder, composed)
        self.add("Ada3D, stage 2 only", "stage-2", partial(composed, "reinforce", options={"epochs": 0}))
        for head in HEADS:
            self.add(f"{head} learned", f"{head}-learned", partial(self.rivals.one_head, head), (self.learned,))


def ablations(
    seeds: int = 5, quick: bool = False, device: str = "cpu", output: Path = Path("runs"), json: Path | None = None
) -> None:
    """Trains what is missing and prints the tables.

    Args:
        seeds: 0, 1, … in as many lists of runs.
        quick: few videos and one epoch of each kind, to see every part run; its numbers mean nothing.
        device: where networks run.
        output: folder of the lists' folders.
        json: file that gets the tables and all results, too.
    """
    if seeds < 1:
        raise InputError(f"seeds={seeds}: expected at least 1")
    if json is not None:
        check_output(json, "--json")
    found: dict[str, list[Result]] = {}
    with one_thread(device):
        for seed in range(seeds):
            composed, folder = composing(seed, quick), folder_of(output, seed, quick)
            with shared(folder), claimed(folder, plain(asdict(composed("reinforce")))):
                for method, result in Ablations(folder, composed).finish(device).items():
                    found.setdefault(method, []).append(result)
    if found:
        print(report(found))
        if json is not None:
            write_json(json, found, TABLES)


def report(found: Found) -> str:
    """All tables, and what Ada3D keeps, for the results by method, one a seed."""
    lines = ["", f"seeds: {len(found['Ada3D'])}"]
    for title, rows in TABLES.items():
        lines += ["", title, "", table({name: found[method] for name, method in rows.items()}, "github")]
    lines += ["", "What Ada3D keeps", "", _families(found["Ada3D"])]
    for name in ("visible_kept", "visible_chance"):
        shares = [getattr(result, name) for result in found["Ada3D"]]
        what = "kept frames" if name == "visible_kept" else "all frames"
        lines.append(f"of clips that show their class in some frames only, {interval(shares, 1)} % of {what} show it")
    return "\n".join(lines)


def _families(results: Sequence[Result]) -> str:
    keys = ("top1", "frames", "stages")
    rows = [
        [family, *(interval([result.by_family[family][key] for result in results], 1) for key in keys)]
        for family in ("scene", "object", "motion")
    ]
    return str(tabulate(rows, ["family", "clip top-1", "# frames", "# 3D"], tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    run(ablations)
