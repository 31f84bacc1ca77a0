"""Trains several agents with several seeds and prints each one's mean with its 95 % interval:

    ada3d compare Ada3D-MotionShapes-v1 --agents reinforce ppo a2c trpo dqn --seeds 5
    ada3d compare Ada3D-MotionShapes-v1 --agents reinforce ppo --gammas 1.5 3 6 12 --seeds 3

Beside them stand Upper and, at what the first agent costs in all, what needs no learning of masks: random masks and the
best constant one, each with the classifier as it is and fine-tuned. Several gammas give each method's front of accuracy
against operations, `front.png` in the output's folder. Every run is one of `ada3d train`, in a folder of its own;
runs are trained in as many processes as there are CPU cores. Interrupted and started again, the command goes on where
it was, and asked for more agents or seeds it trains only those; started several times at once, each process takes runs
that no other has. The interval is Student's t over the seeds. Time is measured of each row's first run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Literal

import tyro

from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.figures import plot_fronts
from ada3d_gym.experiments.folders import check_output, folder_name
from ada3d_gym.experiments.plan import Row, Task, carry_out, time_rows
from ada3d_gym.experiments.rivals import Compose, Rivals
from ada3d_gym.experiments.runs import Run, compose
from ada3d_gym.experiments.tables import table, write_json
from ada3d_gym.files import writing

Against = Literal["none", "first", "all"]


def compare(
    env: tyro.conf.Positional[str],
    agents: tuple[str, ...] = ("reinforce", "ppo", "a2c", "trpo", "dqn"),
    seeds: int = 5,
    gammas: tuple[float, ...] = (),
    rivals: Against = "first",
    config: Path | None = None,
    videos: int | None = None,
    data_root: Path | None = None,
    checkpoint: Path | None = None,
    trunk: str | None = None,
    device: str = "cpu",
    output: Path = Path("runs/compare"),
    json: Path | None = None,
) -> None:
    """Trains what is not yet trained, and compares.

    Args:
        env: a registered id.
        agents: names or module:Class.
        seeds: runs of each agent, with seeds 0, 1, …
        gammas: penalties of a wrong answer (Eq. 4), each tried with every agent and seed; the config's by default.
        rivals: random and constant masks at the operations of the first agent, of all agents, or none.
        config: YAML file of settings for all; experiments/configs/DATASET.yaml by default.
        videos: use the first so many of each split only.
        data_root: folder of the videos.
        checkpoint: weights of the 3D network.
        trunk: weights that the selection network's trunk starts from.
        device: where networks run.
        output: folder of the runs' folders.
        json: file that gets the table and all results, too.
    """
    checked_device(device)
    if seeds < 1:
        raise InputError(f"seeds={seeds}: expected at least 1")
    if json is not None:
        check_output(json, "--json")
    agents, gammas = tuple(dict.fromkeys(agents)), tuple(dict.fromkeys(gammas))  # twice the same run is one
    environment = {"videos": videos, "data_root": data_root, "checkpoint": checkpoint}
    composed = partial(compose, env, config=config, environment=environment, trunk=trunk)
    for agent in agents:  # what is misspelt is named before anything is trained
        composed(agent, 0)
    runs = _Runs()
    # all agents have a first seed before any has a second
    for seed, gamma in product(range(seeds), gammas or (None,)):
        runs.add(partial(composed, seed=seed, gamma=gamma), agents, rivals, _Places(output, env, seed, gamma))
    finished = carry_out(list(runs.tasks.values()), device)
    done = {name: [row for row in members if row.folder in finished] for name, members in runs.rows.items()}
    done = {name: members for name, members in done.items() if members}
    time_rows({name: members[0] for name, members in done.items()}, device)
    found = {name: [row.result for row in members] for name, members in done.items()}
    if not found:
        return
    print("\n" + table(found, "github", count=True))
    if json is not None:
        write_json(json, found)
    fronts = [name.removesuffix(note(gammas[0])) for name in found if gammas and name.endswith(note(gammas[0]))]
    points = {name: [found.get(name + note(gamma), []) for gamma in gammas] for name in fronts}
    if len(gammas) > 1 and all(map(all, points.values())):
        with writing(output):
            print(f"\npicture: {plot_fronts(points, output)}")


def note(gamma: float | None) -> str:
    """What a row's name ends in."""
    return "" if gamma is None else f", gamma {gamma:g}"


@dataclass(frozen=True)
class _Places:
    """Where the runs of a seed and gamma lie, by name."""

    output: Path
    env: str
    seed: int
    gamma: float | None

    def __call__(self, name: str) -> Path:
        mark = "" if self.gamma is None else f"-gamma{self.gamma:g}"
        return self.output / f"{self.env}-{folder_name(name)}{mark}-seed{self.seed}"


class _Runs:
    """The list of all runs by folder, and the rows of the table."""

    def __init__(self) -> None:
        self.tasks: dict[Path, Task] = {}
        self.rows: dict[str, list[Row]] = {}

    def add(self, composed: Compose, agents: tuple[str, ...], against: Against, at: _Places) -> None:
        """The runs of a seed and gamma; the first agent's judges Upper for all."""
        first, ending = at(agents[0]), note(at.gamma)
        self.rows.setdefault("Upper" + ending, []).append(Row(first, "Upper"))
        for agent in agents:
            self._add(agent + ending, Task(at(agent), partial(composed, agent), (), _other(at(agent), first)), agent)
        for agent in {"none": (), "first": agents[:1], "all": agents}[against]:
            learned, search = at(agent), at("best-fixed")
            made, own = Rivals(composed, learned, search), composed(agent)
            trained = (learned,) if own.classifier_epochs else ()
            self._add("Fixed" + ending, Task(search, made.best_fixed, trained, _other(search, first)), "best-fixed")
            rivals: list[tuple[str, Callable[[], Run], tuple[Path, ...], str]]
            rivals = [("Random", made.random, (learned,), "random")]
            if own.options.get("joint_epochs"):
                rivals += [
                    ("Random FT", made.random_ft, (learned,), "random"),
                    ("Fixed FT at same operations", made.fixed_ft_operations, (learned, search), "fixed"),
                    ("Fixed FT at same accuracy", made.fixed_ft_accuracy, (learned, search), "fixed"),
                ]
            for method, make, needs, line in rivals:
                folder = at(f"{method.replace(' ', '-').lower()}-as-{folder_name(agent)}")
                self._add(f"{method} (as {agent}){ending}", Task(folder, make, needs, first), line)

    def _add(self, method: str, task: Task, line: str) -> None:
        self.tasks.setdefault(task.folder, task)
        row = Row(task.folder, line)
        if row not in (members := self.rows.setdefault(method, [])):
            members.append(row)


def _other(folder: Path, first: Path) -> Path | None:
    """The folder where Upper is judged, unless it is the run's own."""
    return None if folder == first else first


if __name__ == "__main__":
    run(compare)
