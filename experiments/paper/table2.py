"""The paper's Table 2: Ada3D's clips chosen by AdaFrame, which looks at fewer of them for the same mAP.

    ada3d paper table2
    ada3d paper table2 --id Ada3D-FCVIDUntrimmed-v0 --checkpoint RUN/classifier.safetensors \
        --selection RUN/selection.safetensors --device cuda

For 3, 5 and 10 clips a video: uniform clips, AdaFrame trained with as many looks, and rivals: random places, an early
exit, the same LSTM on uniform places, PPO and RecurrentPPO. Each policy's knob is chosen on validation videos, as the
cheapest setting that is no worse there than as many uniform clips, or fewer; of sets without validation videos, on a
fifth of the training videos, which AdaFrame does not see but the networks below it have. Interrupted and started again,
the command goes on where it was; started several times at once, each process takes runs that no other has. With --ray,
a cluster does the runs; this process looks at the videos before, once for all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import tyro
from tabulate import tabulate

from ada3d_gym.experiments.benchmark.pool import do_all
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.intervals import interval
from ada3d_gym.experiments.paper.table2_jobs import LSTMS, RIVALS, LookingJob, Point
from ada3d_gym.experiments.paper.table2_options import DEFAULTS, Table2Options
from ada3d_gym.experiments.paper.table2_picture import plot
from ada3d_gym.experiments.paper.table2_rows import Found, Row, rows
from ada3d_gym.experiments.paper.table2_splits import Splits
from ada3d_gym.experiments.ray_runs import AnyOrder, do_all_on_ray
from ada3d_gym.files import replacing

HEADERS = ("clips", "method", "looked at", "mAP", "top-1", "{unit}", "uniform clips for that mAP", "paper: clips, mAP")


def table2(options: tyro.conf.OmitArgPrefixes[Table2Options] = DEFAULTS) -> None:
    """Trains what is missing, prints the table and draws the picture.

    Args:
        options: what is reproduced, on what and where.
    """
    options.check()
    splits = Splits(options)
    made = jobs(options, splits)
    missing = [job for job in made if job.read() is None]
    for job in on_ray(missing, options, splits) if options.ray else do_all(missing, 1, "Table 2"):
        print(f"{job.path}: left to the process that works on it", flush=True)
    found = finished(made)
    table = rows(found, options.clips)
    if table:
        print(f"\nTable 2 ({options.id}), seeds: {options.seeds}\n\n{text(table)}\n")
        path = options.folder / "table2.png"
        plot(found, options.clips, path)
        print(f"picture: {path}")
    if options.json is not None:
        write(options.json, table)


def on_ray(missing: Sequence[LookingJob], options: Table2Options, splits: Splits) -> list[LookingJob]:
    """Does runs on a Ray cluster; returns those that were left to other processes."""
    assert options.ray is not None
    splits.fill()
    done = do_all_on_ray(AnyOrder(missing), options.ray, options.ray_cpus)
    return [job for job in missing if job.folder not in done]


def jobs(options: Table2Options, splits: Splits) -> list[LookingJob]:
    """All runs, the quickest first; those that draw nothing at random once."""
    quick = [("Uniform", number) for number in range(1, splits.train.places + 1)]
    quick += [("Early exit", number) for number in options.clips] + [("Oracle", 1)]
    drawn = [(method, number) for method in ("Random", *LSTMS, *RIVALS) for number in options.clips]
    return [LookingJob(*each, 0, options, splits) for each in quick] + [
        LookingJob(*each, seed, options, splits) for seed in range(options.seeds) for each in drawn
    ]


def finished(made: Sequence[LookingJob]) -> Found:
    """The points of all runs that are done."""
    found: dict[tuple[str, int], list[list[Point]]] = {}
    for job in made:
        if (points := job.read()) is not None:
            found.setdefault((job.method, job.clips), []).append(points)
    return found


def text(table: Sequence[Row]) -> str:
    """All rows in Markdown; multiply-accumulates in millions where there are few."""
    most = max(row.points[0].test.macs for row in table)
    scale, unit = (1e6, "MMACs in all") if most < 1e9 else (1e9, "GFLOPs in all")
    lines = []
    for row in table:
        paper = row.paper
        needed = f"{row.uniform_clips:.1f}" if row.uniform_clips is not None else "more than there are"
        lines.append(
            [
                row.clips,
                row.name,
                interval(row.values(lambda found: found.clips), 2),
                interval(row.values(lambda found: found.map), 1),
                interval(row.values(lambda found: found.top1), 1),
                interval(row.values(lambda found: found.macs / scale), 1),
                needed,
                f"{paper.clips_per_video:g}, {paper.score:.1f}" if paper else "",
            ]
        )
    headers = [header.format(unit=unit) for header in HEADERS]
    return str(tabulate(lines, headers, tablefmt="github", disable_numparse=True))


def write(path: Path, table: Sequence[Row]) -> None:
    """All rows with their points as JSON."""
    with replacing(path, "choose another --json") as part:
        part.write_text(json.dumps([asdict(row) for row in table], indent=1) + "\n")


if __name__ == "__main__":
    run(table2)
