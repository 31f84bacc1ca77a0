"""Tables and pictures of the full track."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from ada3d_gym.experiments.benchmark.full_runs import Rows
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask
from ada3d_gym.experiments.figures import plot_fronts
from ada3d_gym.experiments.intervals import LEAST
from ada3d_gym.experiments.results import Result
from ada3d_gym.experiments.tables import table, write_csv, write_json
from ada3d_gym.files import replacing

Finished = Sequence[tuple[BenchmarkTask, Rows]]


def show(done: Finished, folder: Path) -> None:
    """Prints a table for each task, and writes them as `full.txt`, `full.csv` and `full.json`; `front-….png` for tasks
    that differ in gamma alone."""
    results = {
        task.name: {method: [row.result for row in members.values()] for method, members in rows.items()}
        for task, rows in done
    }
    text = "\n\n".join(f"{name}\n\n{table(found, 'github', count=True)}" for name, found in results.items())
    text += f"\n\n{_about(max(len(each) for found in results.values() for each in found.values()))}"
    print(f"\n{text}\n")
    with replacing(folder / "full.txt") as part:
        part.write_text(text + "\n")
    titles = {task: {method: f"{method}, {task}" for method in found} for task, found in results.items()}
    flat = {f"{method}, {task}": each for task, found in results.items() for method, each in found.items()}
    write_csv(folder / "full.csv", flat, titles)
    write_json(folder / "full.json", flat, titles)
    pictures = list(_draw(done, results, folder))
    print(f"tables: {folder / 'full.txt'}, full.csv, full.json\npictures: {', '.join(map(str, pictures))}")


def _about(most: int) -> str:
    if most < 2:
        return "One run each: no intervals."
    few = f"of fewer than {LEAST} runs there is none, and (least to largest) are shown where they differ"
    return f"Means of runs with different seeds ± half a 95 % interval of the mean, by Student's t; {few}."


def _draw(done: Finished, results: Mapping[str, Mapping[str, list[Result]]], folder: Path) -> Iterator[Path]:
    """A picture for the tasks that differ in gamma alone: a point for each method and gamma."""
    alike: dict[str, list[BenchmarkTask]] = {}
    for task in sorted((task for task, _ in done), key=lambda task: task.gamma):
        alike.setdefault(json.dumps(asdict(task) | {"gamma": None, "name": None}, sort_keys=True), []).append(task)
    for tasks in alike.values():
        found = [results[task.name] for task in tasks]
        methods = [method for method in found[0] if all(method in each for each in found)]
        path = folder / f"front-{tasks[0].name}.png"
        plot_fronts({method: [each[method] for each in found] for method in methods}, path)
        yield path
