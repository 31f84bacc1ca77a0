"""The paper's Tables 1, 5 and 6 on MotionShapes, over several seeds:

    python -m experiments.ablations --seeds 5

A seed is a run of `experiments.demo`, in its folder, and three trainings more: without the first stage (Table 5), and
with one head learned and random masks for the other (Table 6). Figures are means with 95 % intervals, Student's t over
the seeds. Interrupted and started again, the command goes on where it was; started several times at once, each process
takes seeds that no other has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tabulate import tabulate

from ada3d_gym.agents.reference import Random
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.demo import Demo, Options, one_thread
from ada3d_gym.experiments.folders import claimed, shared
from ada3d_gym.experiments.intervals import interval
from ada3d_gym.experiments.results import METHODS, Result
from ada3d_gym.experiments.training import train_to
from ada3d_gym.seeding import Stream, spawn

HEADS = ("stages", "frames")
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
    """A demo run, and the trainings of Tables 5 and 6."""

    def second_stage_only(self) -> None:
        self._train("Ada3D, stage 2 only", "stage-2", epochs=0)

    def one_head(self, head: str) -> None:
        self._train(f"{head} learned", head, self.random(self.shipped_classifier()), heads=head)

    def _train(self, method: str, name: str, other: Random | None = None, **options: Any) -> None:
        if method in self.results.results:
            return
        classifier = self.shipped_classifier()
        agent = self.agent(classifier, other, **options)
        train_to(self.folder, name, agent, agent.total_epochs)
        if other is not None:
            number = 2 + HEADS.index(options["heads"])  # 0 and 1 are the demo's
            other.reseed(spawn(self.options.seed, Stream.RANDOM_MATCHED, number))
        self.judge(method, classifier, agent.act, agent.macs / 1e9)


def ablations(seeds: int = 5, quick: bool = False, device: str = "cpu", output: Path = Path("runs")) -> None:
    """Trains what is missing and prints the tables.

    Args:
        seeds: 0, 1, … in as many runs.
        quick: few videos and one epoch of each kind, to see every part run; its numbers mean nothing.
        device: where networks run.
        output: folder of the runs' folders.
    """
    if seeds < 1:
        raise InputError(f"seeds={seeds}: expected at least 1")
    found = []
    with one_thread(device):
        for seed in range(seeds):
            options = Options.of(seed, quick)
            folder = output / f"demo-{'quick-' if quick else ''}seed{seed}"
            with shared(folder), claimed(folder, asdict(options)):
                run_ = Ablations(options, folder, device)
                run_.ada3d()
                run_.references()
                run_.second_stage_only()
                for head in HEADS:
                    run_.one_head(head)
                found.append(run_.results.results)
    if found:
        print(report(found))


def report(runs: list[dict[str, Result]]) -> str:
    """All tables, and what Ada3D keeps, for the results by method of each run."""
    lines = ["", f"seeds: {len(runs)}"]
    for title, rows in TABLES.items():
        lines += ["", title, "", _table({name: [results[method] for results in runs] for name, method in rows.items()})]
    lines += ["", "What Ada3D keeps", "", _families([results["Ada3D"] for results in runs])]
    for name in ("visible_kept", "visible_chance"):
        shares = [getattr(results["Ada3D"], name) for results in runs]
        what = "kept frames" if name == "visible_kept" else "all frames"
        lines.append(f"of clips that show their class in some frames only, {interval(shares, 1)} % of {what} show it")
    return "\n".join(lines)


def _table(rows: dict[str, list[Result]]) -> str:
    headers = ["", "top-1", "mAP", "MMACs", "# 3D", "# frames", "masks"]
    cells = [
        [name, *(interval([value(each) for each in results], 1) for value in _FIGURES)]
        for name, results in rows.items()
    ]
    return str(tabulate(cells, headers, tablefmt="github", disable_numparse=True))


_FIGURES: tuple[Callable[[Result], float], ...] = (
    lambda result: result.top1,
    lambda result: result.map,
    lambda result: 1e3 * result.gmacs,
    lambda result: result.stages,
    lambda result: result.frames,
    lambda result: result.distinct_masks,
)


def _families(results: list[Result]) -> str:
    keys = ("top1", "frames", "stages")
    rows = [
        [family, *(interval([result.by_family[family][key] for result in results], 1) for key in keys)]
        for family in ("scene", "object", "motion")
    ]
    return str(tabulate(rows, ["family", "clip top-1", "# frames", "# 3D"], tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    run(ablations)
