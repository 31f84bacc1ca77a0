"""Trains several agents with several seeds and prints each one's mean with its 95 % interval:

    python -m experiments.compare Ada3D-MotionShapes-v0 --agents reinforce ppo a2c trpo dqn --seeds 5
    python -m experiments.compare Ada3D-MotionShapes-v0 --agents reinforce ppo --gammas 1.5 3 6 12 --seeds 3

Several gammas give each agent's front of accuracy against operations, `front.png` in the output's folder. Every run is
one of `experiments.train`, in a folder of its own; interrupted and started again, the command goes on where it was, and
asked for more agents or seeds it trains only those; started several times at once, each process takes runs that no
other has. The interval is Student's t over the seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import tyro
from tabulate import tabulate

from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.figures import plot_fronts
from ada3d_gym.experiments.folders import folder_name, shared
from ada3d_gym.experiments.intervals import interval
from ada3d_gym.experiments.results import Result, ResultFile, macs_unit
from ada3d_gym.experiments.runs import compose
from ada3d_gym.experiments.train import train
from ada3d_gym.files import writing


def compare(
    env: tyro.conf.Positional[str],
    agents: tuple[str, ...] = ("reinforce", "ppo", "a2c", "trpo", "dqn"),
    seeds: int = 5,
    gammas: tuple[float, ...] = (),
    config: Path | None = None,
    videos: int | None = None,
    data_root: Path | None = None,
    checkpoint: Path | None = None,
    trunk: str | None = None,
    device: str = "cpu",
    output: Path = Path("runs/compare"),
) -> None:
    """Trains what is not yet trained, and compares.

    Args:
        env: a registered id.
        agents: names or module:Class.
        seeds: runs of each agent, with seeds 0, 1, …
        gammas: penalties of a wrong answer (Eq. 4), each tried with every agent and seed; the config's by default.
        config: YAML file of settings for all; experiments/configs/DATASET.yaml by default.
        videos: use the first so many of each split only.
        data_root: folder of the videos.
        checkpoint: weights of the 3D network.
        trunk: weights that the selection network's trunk starts from.
        device: where networks run.
        output: folder of the runs' folders.
    """
    checked_device(device)
    if seeds < 1:
        raise InputError(f"seeds={seeds}: expected at least 1")
    agents, gammas = tuple(dict.fromkeys(agents)), tuple(dict.fromkeys(gammas))  # twice the same run is one
    found: dict[str, list[Result]] = {}
    options: dict[str, Any] = {
        "config": config,
        "videos": videos,
        "data_root": data_root,
        "checkpoint": checkpoint,
        "trunk": trunk,
    }
    for agent in agents:  # what is misspelt is named before anything is trained
        compose(env, agent, 0, config=config)
    # all agents have a first seed before any has a second
    for seed, gamma, agent in product(range(seeds), gammas or (None,), agents):
        mark, note = ("", "") if gamma is None else (f"-gamma{gamma:g}", f", gamma {gamma:g}")
        folder = output / f"{env}-{folder_name(agent)}{mark}-seed{seed}"
        with shared(folder):
            train(env, agent, gamma=gamma, seed=seed, device=device, output=folder, **options)
            results = ResultFile(folder / "results.jsonl").results
            if agent == agents[0]:
                found.setdefault("Upper" + note, []).append(results["Upper"])
            found.setdefault(agent + note, []).append(results[agent])
    print("\n" + table(found))
    fronts = {agent: [found.get(f"{agent}, gamma {gamma:g}", []) for gamma in gammas] for agent in agents}
    if len(gammas) > 1 and all(map(all, fronts.values())):
        with writing(output):
            print(f"\npicture: {plot_fronts(fronts, output)}")


def table(found: dict[str, list[Result]]) -> str:
    """A row a method; figures of its runs as mean ± half a 95 % interval."""
    unit, name = macs_unit([result for results in found.values() for result in results])
    figures: dict[str, Callable[[Result], float | None]] = {
        "reward": lambda result: result.reward,
        "top-1": lambda result: result.top1,
        "mAP": lambda result: result.map,
        name: lambda result: unit * result.gmacs,
        "# 3D": lambda result: result.stages,
        "# frames": lambda result: result.frames,
        "masks": lambda result: result.distinct_masks,
    }
    rows = [
        [method, *(_mean([figure(result) for result in results]) for figure in figures.values()), len(results)]
        for method, results in found.items()
    ]
    return str(tabulate(rows, ["", *figures, "runs"], tablefmt="github", disable_numparse=True))


def _mean(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]  # lines of before rewards were noted have none
    return interval(known) if known else ""


if __name__ == "__main__":
    run(compare)
