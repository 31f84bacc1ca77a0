"""One of the processes whose decoding is measured: it goes through clips as a training or a judgement does."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from threading import Barrier
from typing import Literal, Protocol

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from ada3d_gym.datasets import video_clips
from ada3d_gym.video.clips import VideoClips
from benchmarks.video_loading import Case

Ids = NDArray[np.int64]
Kind = Literal["training", "test", "long_training", "long_test"]
Format = Literal["files", "decord", "shards", "reencoded", "cache"]
CACHED = 100  # clips of the cache, at the most


@dataclass(frozen=True)
class Place:
    """What one measurement has.

    Attributes:
        cores: given to all processes together.
        processes: that share them.
        threads: of each that decode.
    """

    cores: int
    processes: int
    threads: int


@dataclass(frozen=True)
class Cell:
    """A measurement.

    Attributes:
        kind: of clips: for training, random ones of videos in any order, or for the test, all ten of each video in
            turn; of long videos, or of short ones.
        format: "files" as `video_clips` reads them, "decord" alone, which reads whole files, "shards" of these files,
            or of files "reencoded" with closer key frames, or the "cache" of decoded clips.
        place: see `Place`.
    """

    kind: Kind
    format: Format
    place: Place

    def __str__(self) -> str:
        place = self.place
        return f"{self.kind}, {self.format}, {place.cores} cores, {place.processes} x {place.threads}"

    @property
    def length(self) -> str:
        """Of the videos: "long", or ""."""
        return "long" if self.kind.startswith("long") else ""

    @property
    def split(self) -> str:
        return "test" if self.kind.endswith("test") else "train"


@dataclass(frozen=True)
class Job:
    """A process's part of a measurement.

    Attributes:
        root: of the videos' lists, or of shards.
        cell: the measurement.
        cores: numbers of those that there are; the first ones are given.
        clips: in a batch, and more where there are many threads.
        batches: that are measured.
        cache: folder of the cache.
        rank: which of the processes it is.
    """

    root: Path
    cell: Cell
    cores: tuple[int, ...]
    clips: int
    batches: int
    cache: Path
    rank: int = 0

    @property
    def batch(self) -> int:
        """Clips in a batch."""
        return max(self.clips, 4 * self.cell.place.threads)

    def of(self, rank: int) -> Job:
        """Another process's."""
        return replace(self, rank=rank)


@dataclass(frozen=True)
class Fed:
    """What came of it: clips, seconds by the clock and of CPU time, bytes that were read, and CPU seconds that the
    whole machine spent meanwhile, its other work included."""

    clips: int
    wall: float
    cpu: float
    read: float
    machine: float


class Source(Protocol):
    """Where clips come from."""

    def expect(self, ids: Ids) -> None: ...
    def clips(self, ids: Ids) -> object: ...
    def close(self) -> None: ...


class Bare:
    """Clips as one would write their reading with decord alone: each opens its file."""

    def __init__(self, clips: VideoClips, threads: int):
        self._case = Case(list(clips.records), clips.sampler)
        self._pool = ThreadPoolExecutor(threads)
        self._futures: dict[int, Future[NDArray[np.uint8]]] = {}

    def expect(self, ids: Ids) -> None:
        for clip in ids.tolist():
            if clip not in self._futures:
                self._futures[clip] = self._pool.submit(self._case.bare, np.array([clip]))

    def clips(self, ids: Ids) -> NDArray[np.uint8]:
        self.expect(ids)
        return np.concatenate([self._futures.pop(clip).result() for clip in ids.tolist()])

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def feed(job: Job, barrier: Barrier | None = None) -> Fed:
    """Decodes ahead of what asks for the clips, as training does; all that is decoded is asked for.

    Args:
        job: this process's.
        barrier: where all processes wait for each other before they begin.
    """
    torch.set_num_threads(1)
    with _on(job.cores[: job.cell.place.cores]):
        clips = _clips(job)
        source: Source = Bare(clips, job.cell.place.threads) if job.cell.format == "decord" else clips
        first, *wanted = islice(batches(clips, job), job.batches + 1)
        source.clips(first)  # and whatever is slower once
        if barrier is not None:
            barrier.wait()
        begun = _now()
        for number, here in enumerate(wanted):
            source.expect(np.concatenate(wanted[number : number + 2]))
            source.clips(here)
        wall, cpu, read, machine = (after - before for after, before in zip(_now(), begun, strict=True))
        source.close()
        clips.close()
    return Fed(sum(map(len, wanted)), wall, cpu, read, machine)


def batches(clips: VideoClips, job: Job) -> Iterator[Ids]:
    """Endless batches of this process's clip ids."""
    videos, rng = len(clips.records), np.random.default_rng((job.rank, 1))
    pool: list[int] = []
    while True:
        while len(pool) < job.batch:
            if job.cell.split == "train":  # one clip of each video an epoch
                pool += (rng.permutation(videos) * clips.views + rng.integers(clips.views, size=videos)).tolist()
            else:
                order = np.arange(min(len(clips), CACHED) if job.cell.format == "cache" else len(clips))
                pool += np.roll(order, -(videos * job.rank // job.cell.place.processes) * clips.views).tolist()
        yield np.array(pool[: job.batch])
        pool = pool[job.batch :]


def fill_cache(job: Job) -> None:
    """Decodes the clips of the cache."""
    clips = _clips(job)
    clips.clips(np.arange(min(len(clips), CACHED)))
    clips.close()


def _clips(job: Job) -> VideoClips:
    clips = video_clips("videos", job.cell.split, data_root=job.root, workers=job.cell.place.threads)
    each = clips.num_frames * 3 * clips.size**2
    clips = clips.but(ahead_bytes=2 * job.batch * each)  # no more, or few videos' clips would soon all be there
    return clips.but(cache=job.cache, cache_bytes=CACHED * each) if job.cell.format == "cache" else clips


@contextmanager
def _on(cores: tuple[int, ...]) -> Iterator[None]:
    """Keeps this thread, and those that it starts, on these cores, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _now() -> tuple[float, float, float, float]:
    """Seconds by the clock, of CPU time, bytes read by system calls, and CPU seconds of the machine."""
    counted = getattr(psutil.Process(), "io_counters", lambda: None)()  # there is none on macOS
    return time.perf_counter(), time.process_time(), getattr(counted, "read_chars", math.nan), machine_seconds()


def machine_seconds() -> float:
    """CPU time that all processes of the machine have taken since it was started."""
    times = psutil.cpu_times()
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted in user and nice, too
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - guests)
