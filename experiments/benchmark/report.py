"""What the runs of a suite say: tables, files, pictures and one page.

    ada3d benchmark report motionshapes
    ada3d benchmark report motionshapes --agents ppo reinforce --to report

It reads the records that `ada3d benchmark run` has left, computes and trains nothing, and may be called while runs are
going on. The same records and --seed give the same report.
"""

from __future__ import annotations

from pathlib import Path

import tyro

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.comparison import Comparison
from ada3d_gym.experiments.benchmark.files import results_csv, summary_csv, summary_json
from ada3d_gym.experiments.benchmark.page import page
from ada3d_gym.experiments.benchmark.pictures import draw_all
from ada3d_gym.experiments.benchmark.reading import read_entrants, say
from ada3d_gym.experiments.benchmark.record import Track
from ada3d_gym.experiments.benchmark.references import TaskReferences
from ada3d_gym.experiments.benchmark.suite import read_suite
from ada3d_gym.experiments.benchmark.tables import all_tables
from ada3d_gym.experiments.cli import run
from ada3d_gym.files import replacing


def report(
    suite: tyro.conf.Positional[str],
    track: Track = "heads",
    output: Path = Path("runs/benchmark"),
    agents: tuple[str, ...] = (),
    resamples: int = 2000,
    to: Path | None = None,
    seed: int = 0,
    gammas: tuple[float, ...] = (),
) -> None:
    """Reads all runs of a suite, prints tables and writes them, pictures and a page.

    Args:
        suite: one that comes with the package, a YAML file, or the id of an environment.
        track: what agents were allowed to train.
        output: folder of all runs.
        agents: those to compare; all that have runs by default.
        resamples: of the bootstrap, for intervals.
        to: folder that gets the report; OUTPUT/SUITE/TRACK/report by default.
        seed: what the resamples are drawn from.
        gammas: as of the runs, for a suite that is the id of an environment.
    """
    if resamples < 1:
        raise InputError(f"resamples={resamples}: expected at least 1")
    tasks = read_suite(suite, gammas)
    folder = output / tasks.name / track
    to = folder / "report" if to is None else to
    references = [TaskReferences(task) for task in tasks.tasks]
    entrants, warnings = read_entrants(folder, tasks, track, references, agents)
    comparison = Comparison(references, entrants, resamples, seed)
    tables = all_tables(comparison)
    text = "\n\n\n".join(table.text() for table in tables)
    print(text)
    say(warnings)
    pictures = draw_all(comparison, to)
    about = [
        f"Suite {tasks.name}, track {track}: {len(tasks.tasks)} tasks.",
        *(f"Warning: {each}." for each in warnings),
    ]
    title = f"Ada3D benchmark: {tasks.name}, {track}"
    files = {
        "report.txt": text + "\n",
        "results.csv": results_csv(comparison, entrants),
        "summary.csv": summary_csv(comparison),
        "summary.json": summary_json(comparison, tasks.name, track, warnings),
        "report.html": page(title, about, tables, pictures, to),
    }
    for name, content in files.items():
        with replacing(to / name, "choose another --to") as part:
            part.write_text(content, encoding="utf-8")
    print(f"\nreport: {to / 'report.html'}")


if __name__ == "__main__":
    run(report)
