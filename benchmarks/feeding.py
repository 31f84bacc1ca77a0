"""How many clips a second a machine decodes, and what that reads from its disk:

    python -m benchmarks.feeding --json feeding.json        # some minutes
    python -m benchmarks.feeding --quick --json feeding.json
    ada3d paper cost Ada3D-FCVID-v0 --feeding feeding.json  # what a reproduction costs at these rates

Clips of 8 frames of H.264 videos of 340 x 256 pixels, drawn once into the user's cache folder
(`benchmarks.feeding_videos`): of 10 seconds, where the ten test clips of a video share frames, and of 30, where they do
not. They come from the index as in `ada3d train` and `ada3d evaluate`, batch by batch, the next decoded ahead.
Processes and their threads are kept on so many cores. Files are in the page cache, so that decoding is measured and not
this machine's disk; bytes are those of the system calls that read, what a disk has to give when nothing is cached.

Beside files, as they are found, stand decord alone, as one would write it, which reads a file whole for each clip;
shards of `ada3d shards`, with the same videos or with such as are encoded anew; and the cache of decoded test clips.

- clips/s: by the clock, all processes together. Other work on the machine makes it less: "others" are the cores' worth
  of CPU time that it took meanwhile.
- CPU ms: of all threads together, a clip. Other work changes it little.
- kB: read, a clip.

The summary has for training and test clips what one core decodes a second, from CPU time; `efficiency`, how much of
that each of all cores still does when all of them decode; and what 64 and 128 cores would give: so many times the rate
of one, times the efficiency. That is a projection: memory bandwidth, sockets and clocks of such a machine may take more
than two cores can show. Efficiency is measured by the clock where the machine was quiet (others below 0.1), else from
CPU time, which tells what cores take from each other but not what waits.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from threading import Barrier
from typing import Any

from tabulate import tabulate

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.folders import check_output
from ada3d_gym.files import writing
from ada3d_gym.progress import Progress
from benchmarks.feeding_figures import row, summary
from benchmarks.feeding_process import Cell, Fed, Format, Job, Kind, Place, feed, fill_cache
from benchmarks.feeding_videos import HEIGHT, KEY_FRAMES, WIDTH, Videos, feeding_videos

SOURCES: tuple[Format, ...] = ("files", "decord", "shards", "reencoded")
FORMATS: dict[Kind, tuple[Format, ...]] = {
    "training": SOURCES,
    "test": (*SOURCES, "cache"),
    "long_training": SOURCES,
    "long_test": SOURCES,
}
LENGTHS = {"": 10, "long": 30}  # seconds


def feeding(
    quick: bool = False,
    json: Path | None = None,
    videos: int | None = None,
    batches: int | None = None,
    batch: int = 16,
    seed: int = 0,
) -> None:
    """Measures.

    Args:
        quick: few videos, and other formats than files on one core only.
        json: file that gets the figures, for `ada3d paper cost --feeding`.
        videos: to train on, and a quarter as many for the test; 200, or 48 if quick. Of long ones, two batches.
        batches: of each measurement and process; 8, or 4 if quick.
        batch: clips in one.
        seed: of the videos.
    """
    for name, value in (("videos", videos), ("batches", batches), ("batch", batch)):
        if value is not None and value < 1:
            raise InputError(f"{name}={value}: expected at least 1")
    if json is not None:
        check_output(json, "--json")
    count = videos or (48 if quick else 200)
    drawn = {
        length: feeding_videos(number, max(4, number // 4), seed, LENGTHS[length])
        for length, number in (("", count), ("long", 2 * batch))  # or clips of two batches would share frames
    }
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    with tempfile.TemporaryDirectory() as cache:
        settings = tuple(cores), batch, batches or (4 if quick else 8), Path(cache)
        wanted = cells(len(cores), quick)
        rows = list(measured([Job(root_of(drawn[each.length], each.format), each, *settings) for each in wanted]))
    figures = summary(rows, len(cores))
    print(tabulate(rows, "keys", tablefmt="github", floatfmt=".1f"))
    print("\n" + "\n".join(f"{name}: {value:,.3g}" for name, value in figures.items()))
    if json is not None:
        about = {length or "short": described(each) for length, each in drawn.items()}
        with writing(json.parent):
            json.write_text(dumps({"summary": figures, "videos": about, "rows": rows}, indent=1) + "\n")


def root_of(videos: Videos, form: Format) -> Path:
    """Where videos are in a format."""
    return videos.shards(form == "reencoded") if form in ("shards", "reencoded") else videos.root


def described(videos: Videos) -> dict[str, float]:
    """Of the videos, for whoever reads the figures later."""
    return {
        "train": videos.train,
        "test": videos.test,
        "seconds": videos.seconds,
        "bytes_a_second": videos.bytes_a_second,
        "width": WIDTH,
        "height": HEIGHT,
        "key_frames": KEY_FRAMES,
    }


def places(cores: int) -> list[Place]:
    """One core, two, four, … and all: on each number one process with as many threads, as many processes, and 8
    processes that share them."""
    found = []
    for number in sorted({cores, *(2**power for power in range(cores.bit_length()))}):
        each = [Place(number, 1, number), Place(number, number, 1), Place(number, 8, number // 8)]
        found += [place for place in each if place.threads]
    return list(dict.fromkeys(found))


def cells(cores: int, quick: bool) -> list[Cell]:
    """All that is measured, fewest processes first."""
    found = [Cell(kind, form, place) for kind, forms in FORMATS.items() for form in forms for place in places(cores)]
    one = [cell for cell in found if cell.place.cores == 1 or not (cell.length or (quick and cell.format != "files"))]
    return sorted(one, key=lambda cell: cell.place.processes)


def measured(jobs: Sequence[Job]) -> Iterator[Mapping[str, Any]]:
    """A row for each; those of as many processes stand together."""
    with Progress(len(jobs), "feeding", "measurement") as shown:
        for count in dict.fromkeys(job.cell.place.processes for job in jobs):
            with _processes(count) as pool:
                for job in (each for each in jobs if each.cell.place.processes == count):
                    shown.doing(f"{job.cell}")
                    if job.cell.format == "cache":
                        fill_cache(job)
                    yield row(job.cell, list(pool.map(_feed, (job.of(rank) for rank in range(count)))))
                    shown.add()


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
