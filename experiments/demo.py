"""The paper's comparison (Table 1, Fig. 3, Fig. 4) on MotionShapes, from encoded videos to a table and pictures:

    ada3d demo            # some minutes on two CPU cores
    ada3d demo --quick    # the same path on few videos

A list of runs of `ada3d train`, each in a folder of its own below one: Ada3D, judged after both of its stages
(Algorithm 1), and everything that needs no learning of masks, at what Ada3D costs in all. Runs are trained in as many
processes as there are CPU cores. Interrupted and started again, the command goes on after the last finished epochs and
results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from ada3d_gym.building import build_clips
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.configuration import plain
from ada3d_gym.experiments.figures import draw_masks, plot_accuracy
from ada3d_gym.experiments.folders import check_output, claimed
from ada3d_gym.experiments.judging import load_masks
from ada3d_gym.experiments.plan import Row, Task, carry_out, time_rows
from ada3d_gym.experiments.results import Result, ResultFile
from ada3d_gym.experiments.rivals import Compose, Rivals
from ada3d_gym.experiments.runs import Run, compose
from ada3d_gym.experiments.tables import table, write_json
from ada3d_gym.experiments.timing import one_thread
from ada3d_gym.prediction.config import CLASSIFIER

ENV = "Ada3D-MotionShapes-v1"
QUICK_VIDEOS = 140  # of each split
QUICK = {"reinforce": {"epochs": 1, "joint_epochs": 1}, "best-fixed": {"clips": 1}}


class Demo:
    """The list of runs in a folder.

    Args:
        folder: its own.
        composed: makes a run by agent and `options`.

    Attributes:
        rivals: makes those runs that need others.
        tasks: the list.
        rows: of the table: the paper's Table 1, and what it leaves out.
    """

    def __init__(self, folder: Path, composed: Compose):
        self.folder = folder
        self.upper, self.learned, self.search = (self.at(name) for name in ("upper", "reinforce", "best-fixed"))
        self.rivals = rivals = Rivals(composed, self.learned, self.search)
        matched, searched = (self.learned,), (self.learned, self.search)
        self.tasks = [
            Task(self.upper, partial(composed, "upper")),
            self._task("reinforce", partial(composed, "reinforce")),
            self._task("best-fixed", rivals.best_fixed),
            self._task("uniform", partial(composed, "uniform")),
            self._task("random-ft", rivals.random_ft, matched),
            self._task("fixed-ft-operations", rivals.fixed_ft_operations, searched),
            self._task("fixed-ft-accuracy", rivals.fixed_ft_accuracy, searched),
            self._task("random", rivals.random, matched),
        ]
        self.rows = {
            "Upper": Row(self.upper, "Upper"),
            "2D only": Row(self.at("uniform"), "uniform"),
            "Random": Row(self.at("random"), "random"),
            "Random FT": Row(self.at("random-ft"), "random"),
            "Fixed": Row(self.search, "best-fixed"),
            "Fixed FT (same operations)": Row(self.at("fixed-ft-operations"), "fixed"),
            "Fixed FT (same accuracy)": Row(self.at("fixed-ft-accuracy"), "fixed"),
            "Ada3D, stage 1 only": Row(self.learned, "reinforce, stage 1 only"),
            "Ada3D": Row(self.learned, "reinforce"),
        }

    def at(self, name: str) -> Path:
        return self.folder / name

    def _task(self, name: str, make: Callable[[], Run], needs: tuple[Path, ...] = ()) -> Task:
        return Task(self.at(name), make, (self.upper, *needs), self.upper)

    def finish(self, device: str) -> dict[str, Result]:
        """Trains what is missing; returns all results by method, which `results.jsonl` holds, too."""
        options = self.rivals.compose("reinforce")
        for split in ("train", "test"):
            reading = {"num_frames": options.settings["num_frames"], **options.environment}
            clips = build_clips(dataset=options.settings["dataset"], split=split, **reading)
            clips.fill_cache(f"decoding {split}")
            clips.close()
        found = ResultFile(self.folder / "results.jsonl")  # what is no such file is noticed before anything is trained
        carry_out(self.tasks, device)
        time_rows(self.rows, device)
        for method, row in self.rows.items():
            line = Result(**asdict(row.result) | {"method": method})
            if found.results.get(method) != line:
                found.add(line)
        return {method: found.results[method] for method in self.rows}

    def show(self, results: dict[str, Result]) -> None:
        """Prints the table and draws the pictures."""
        lines = list(results.values())
        plot_accuracy(lines, self.folder / "accuracy-macs.png", "operations")
        plot_accuracy(lines, self.folder / "accuracy-time.png", "time")
        bandit = self.rivals.run.bandit("test", "cpu", checkpoint=self.learned / CLASSIFIER)
        draw_masks(bandit, *load_masks(self.learned, "reinforce"), self.folder)
        print("\n" + table({method: [result] for method, result in results.items()}) + "\n")
        for family, usage in results["Ada3D"].by_family.items():
            print(f"Ada3D on {family} clips: {usage['frames']:.1f} frames, {usage['stages']:.1f} stages")
        print(f"results, pictures and logs: {self.folder}")


def composing(seed: int, quick: bool, *, gamma: float | None = None, **learning: Any) -> Compose:
    """Makes the runs of a demo, on few videos and with one epoch of each kind where it is to be quick.

    Args:
        seed, quick, gamma: as in `demo`.
        learning: options of REINFORCE; None stands for its preset's.
    """
    environment = {"videos": QUICK_VIDEOS} if quick else {}

    def composed(agent: str, options: dict[str, Any] | None = None) -> Run:
        own = dict(options or {})
        if agent == "reinforce":
            own = {key: value for key, value in learning.items() if value is not None} | own
        if quick:
            own = QUICK.get(agent, {}) | own
        return compose(ENV, agent, seed, options=own, environment=environment, gamma=gamma)

    return composed


def folder_of(output: Path, seed: int, quick: bool) -> Path:
    return output / f"demo-{'quick-' if quick else ''}seed{seed}"


def demo(
    seed: int = 0,
    quick: bool = False,
    device: str = "cpu",
    gamma: float | None = None,
    epochs: int | None = None,
    joint_epochs: int | None = None,
    classifier_lr: float | None = None,
    output: Path | None = None,
    json: Path | None = None,
) -> None:
    """Trains Ada3D on MotionShapes and compares it with the paper's baselines and with constant masks.

    Args:
        seed: of everything random.
        quick: few videos and one epoch of each kind, to see every part run; its numbers mean nothing.
        device: where networks run.
        gamma: penalty of a wrong answer (Eq. 4), larger spends more; the configuration's by default.
        epochs: of stage 1; the preset's by default, as the next two.
        joint_epochs: of stage 2.
        classifier_lr: of the classifier in stage 2.
        output: folder of the list's folders; runs/demo-… by default.
        json: file that gets the table and all results, too.
    """
    if json is not None:
        check_output(json, "--json")
    composed = composing(
        seed, quick, gamma=gamma, epochs=epochs, joint_epochs=joint_epochs, classifier_lr=classifier_lr
    )
    folder = output or folder_of(Path("runs"), seed, quick)
    with one_thread(device), claimed(folder, plain(asdict(composed("reinforce")))):
        shown = Demo(folder, composed)
        results = shown.finish(device)
        shown.show(results)
        if json is not None:
            write_json(json, {method: [result] for method, result in results.items()})


if __name__ == "__main__":
    run(demo)
