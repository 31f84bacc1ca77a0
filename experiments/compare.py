"""Trains several agents with several seeds and prints each one's mean with its 95 % interval:

    python -m experiments.compare Ada3D-MotionShapes-v0 --agents reinforce ppo a2c trpo dqn --seeds 5

Every run is one of `experiments.train`, in a folder of its own; interrupted and started again, the command goes on
where it was, and asked for more agents or seeds it trains only those. The interval is Student's t over the seeds.
"""

from __future__ import annotations

from pathlib import Path

import tyro
from tabulate import tabulate

from experiments.cli import run
from experiments.intervals import interval
from experiments.results import Result, ResultFile
from experiments.train import train

FIGURES = {"top-1": "top1", "mAP": "map", "GMACs": "gmacs", "# 3D": "stages", "# frames": "frames"}


def compare(
    env: tyro.conf.Positional[str],
    agents: tuple[str, ...] = ("reinforce", "ppo", "a2c", "trpo", "dqn"),
    seeds: int = 5,
    config: Path | None = None,
    videos: int | None = None,
    data_root: Path | None = None,
    checkpoint: Path | None = None,
    device: str = "cpu",
    output: Path = Path("runs/compare"),
) -> None:
    """Trains what is not yet trained, and compares.

    Args:
        env: a registered id.
        agents: names or module:Class.
        seeds: runs of each agent, with seeds 0, 1, …
        config: YAML file of settings for all; experiments/configs/DATASET.yaml by default.
        videos: use the first so many of each split only.
        data_root: folder of the videos.
        checkpoint: weights of the 3D network.
        device: where networks run.
        output: folder of the runs' folders.
    """
    if seeds < 1:
        raise ValueError(f"seeds={seeds}: expected at least 1")
    found: dict[str, list[Result]] = {}
    for seed in range(seeds):  # all agents have a first seed before any has a second
        for agent in agents:
            folder = output / f"{env}-{agent.rpartition(':')[2]}-seed{seed}"
            train(
                env,
                agent,
                config,
                videos=videos,
                data_root=data_root,
                checkpoint=checkpoint,
                seed=seed,
                device=device,
                output=folder,
            )
            results = ResultFile(folder / "results.jsonl").results
            if agent == agents[0]:
                found.setdefault("Upper", []).append(results["Upper"])
            found.setdefault(agent, []).append(results[agent])
    print("\n" + table(found))


def table(found: dict[str, list[Result]]) -> str:
    """A row a method; figures of its runs as mean ± half a 95 % interval."""
    rows = [
        [method, *(interval([getattr(each, name) for each in results]) for name in FIGURES.values()), len(results)]
        for method, results in found.items()
    ]
    return str(tabulate(rows, ["", *FIGURES, "runs"], tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    run(compare)
