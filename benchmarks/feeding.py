"""How many clips a second a machine decodes, and what that reads from its disk:

    python -m benchmarks.feeding --json feeding.json        # all formats, some minutes
    python -m benchmarks.feeding --quick --json feeding.json
    ada3d paper cost Ada3D-FCVID-v0 --feeding feeding.json  # what a reproduction costs at these rates

Clips of 8 frames of some hundred H.264 videos of 340 x 256 pixels and 10 seconds, drawn once into the user's cache
folder (`benchmarks.feeding_videos`). They come from the index as in `ada3d train` and `ada3d evaluate`, batch by batch,
the next decoded ahead. Processes and their threads are kept on so many cores. Files are in the page cache, so that
decoding is measured and not this machine's disk; bytes are those of the system calls that read, what a disk has to give
when nothing is cached.

- clips/s: by the clock, all processes together. Other work on the machine makes it less: "others" are the cores' worth
  of CPU time that it took meanwhile.
- CPU ms: of all threads together, a clip. Other work hardly changes it.
- kB: read, a clip.

The summary has for training and test clips what one core decodes a second, from CPU time; `efficiency`, how much of
that each of all cores still does when all of them decode; and what 64 and 128 cores would give: so many times the rate
of one, times the efficiency. That is a projection: memory bandwidth, sockets and clocks of such a machine may take more
than two cores can show. Measured by the clock where the machine was quiet (others below 0.1), else from CPU time, which
tells what cores take from each other but not what waits.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import tyro
from tabulate import tabulate
from tqdm import tqdm

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.files import writing
from benchmarks.feeding_process import Fed, Format, Job, Kind, Place, feed, fill_cache
from benchmarks.feeding_videos import HEIGHT, KEY_FRAMES, SECONDS, WIDTH, Videos, feeding_videos

KINDS: tuple[Kind, ...] = ("training", "test")
FORMATS: dict[Kind, tuple[Format, ...]] = {"training": ("files", "decord"), "test": ("files", "decord", "cache")}
QUIET = 0.1  # cores' worth of other work
PROJECTED = (64, 128)


def feeding(
    quick: bool = False,
    json: Path | None = None,
    videos: int | None = None,
    batches: int | None = None,
    batch: int = 32,
    seed: int = 0,
) -> None:
    """Measures.

    Args:
        quick: few videos, and other formats than files on one core only.
        json: file that gets the figures, for `ada3d paper cost --feeding`.
        videos: to train on, and a quarter as many for the test; 200, or 48 if quick.
        batches: of each measurement and process; 6, or 2 if quick.
        batch: clips in one.
        seed: of the videos.
    """
    for name, value in (("videos", videos), ("batches", batches), ("batch", batch)):
        if value is not None and value < 1:
            raise InputError(f"{name}={value}: expected at least 1")
    count = videos or (48 if quick else 200)
    drawn = feeding_videos(count, max(4, count // 4), seed)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    wanted = cells(len(cores), quick)
    with tempfile.TemporaryDirectory() as cache:
        rows = [row for row in measured(wanted, drawn, cores, batch, batches or (2 if quick else 6), Path(cache))]
    report = {"summary": summary(rows, len(cores)), "videos": about(drawn), "cores": len(cores), "rows": rows}
    print(tabulate(rows, "keys", tablefmt="github", floatfmt=".1f"))
    print("\n" + "\n".join(f"{name}: {value:,.3g}" for name, value in report["summary"].items()))
    if json is not None:
        with writing(json.parent):
            json.write_text(dumps(report, indent=1) + "\n")


def about(videos: Videos) -> dict[str, Any]:
    """Of the videos, for whoever reads the figures later."""
    return {
        "train": videos.train,
        "test": videos.test,
        "width": WIDTH,
        "height": HEIGHT,
        "seconds": SECONDS,
        "key_frames": KEY_FRAMES,
        "bytes_a_second": videos.bytes_a_second,
    }


def places(cores: int) -> list[Place]:
    """One core, two, four, … and all: on each number one process with as many threads, as many processes, and 8
    processes that share them."""
    found = []
    numbers = sorted({cores, *(2**power for power in range(cores.bit_length()) if 2**power <= cores)})
    for number in numbers:
        each = [Place(number, 1, number), Place(number, number, 1), Place(number, 8, number // 8)]
        found += [place for place in dict.fromkeys(each) if place.threads]
    return found


def cells(cores: int, quick: bool) -> list[tuple[Kind, Format, Place]]:
    """All that is measured, by number of processes."""
    whole = [(kind, form, place) for kind in KINDS for form in FORMATS[kind] for place in places(cores)]
    chosen = [cell for cell in whole if not quick or cell[1] == "files" or cell[2].cores == 1]
    return sorted(dict.fromkeys(chosen), key=lambda cell: cell[2].processes)


def measured(
    wanted: Sequence[tuple[Kind, Format, Place]],
    videos: Videos,
    cores: Sequence[int],
    batch: int,
    batches: int,
    cache: Path,
) -> Iterator[dict[str, Any]]:
    """A row for each."""
    with tqdm(total=len(wanted), desc="feeding", unit="measurement", disable=None) as bar:
        for count in sorted({place.processes for _, _, place in wanted}):
            with _processes(count) as pool:
                for kind, form, place in (cell for cell in wanted if cell[2].processes == count):
                    bar.set_description(f"{kind} clips, {form}, {place.cores} cores, {count} x {place.threads}")
                    mine = tuple(cores[: place.cores])
                    jobs = [
                        Job(videos.root, kind, form, place, mine, rank, batch, batches, cache) for rank in range(count)
                    ]
                    if form == "cache":
                        fill_cache(jobs[0])
                    yield row(jobs[0], list(pool.map(_feed, jobs)))
                    bar.update()


def row(job: Job, fed: Sequence[Fed]) -> dict[str, Any]:
    """What processes did together."""
    clips, cpu = sum(each.clips for each in fed), sum(each.cpu for each in fed)
    longest = max(fed, key=lambda each: each.wall)
    own = sum(each.cpu / each.wall for each in fed)  # cores' worth
    return {
        "clips": job.kind,
        "format": job.format,
        "cores": job.place.cores,
        "processes": job.place.processes,
        "threads": job.place.threads,
        "clips/s": sum(each.clips / each.wall for each in fed),
        "CPU ms": 1e3 * cpu / clips,
        "kB": sum(each.read for each in fed) / clips / 1e3,
        "others": max(0.0, longest.machine / longest.wall - own),
    }


def summary(rows: Sequence[dict[str, Any]], cores: int) -> dict[str, float]:
    """The figures that `ada3d paper cost` takes, and what they would be on more cores."""
    found: dict[str, float] = {}
    for kind in KINDS:
        files = [row for row in rows if row["clips"] == kind and row["format"] == "files"]
        one = next(row for row in files if row["cores"] == 1)
        every = [row for row in files if row["cores"] == cores]
        best = max(every, key=lambda row: row["clips/s"])
        by_clock = best["clips/s"] / one["clips/s"] / cores
        by_cpu = one["CPU ms"] / float(np.mean([row["CPU ms"] for row in every]))
        quiet = max(row["others"] for row in (one, best)) < QUIET
        efficiency = min(1.0, by_clock if quiet else by_cpu)
        rate = 1e3 / one["CPU ms"]
        found |= {
            f"{kind}_clips_per_core_second": rate,
            f"{kind}_clips_per_second_1_core": one["clips/s"],
            f"{kind}_clips_per_second_{cores}_cores": best["clips/s"],
            f"{kind}_efficiency": efficiency,
            f"{kind}_bytes_per_clip": 1e3 * one["kB"],
        }
        for number in PROJECTED:
            found[f"{kind}_clips_per_second_{number}_cores_projected"] = number * rate * efficiency
            found[f"{kind}_disk_mb_per_second_{number}_cores_projected"] = number * rate * efficiency * one["kB"] / 1e3
        for row in rows:
            if row["clips"] == kind and row["cores"] == 1 and row["format"] != "files":
                found[f"{kind}_{row['format']}_clips_per_core_second"] = 1e3 / row["CPU ms"]
                found[f"{kind}_{row['format']}_bytes_per_clip"] = 1e3 * row["kB"]
    return found | {"others": max(row["others"] for row in rows)}


@contextmanager
def _processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that begin each measurement together."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, _begin, (context.Barrier(count),)) as pool:
        yield pool


def _begin(barrier: Barrier) -> None:
    """In a new process: keeps the barrier, which cannot travel later."""
    global _together
    _together = barrier


def _feed(job: Job) -> Fed:
    return feed(job, _together)


_together: Barrier | None = None


if __name__ == "__main__":
    run(feeding)
