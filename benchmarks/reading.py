"""What it costs to read clips, part by part, beside reading them with decord and copying whole clips."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import decord
import numpy as np
import torch

from ada3d_gym.video.decoders.video import Video
from ada3d_gym.video.records import scaled_size
from ada3d_gym.video.transforms import resize_and_crop
from benchmarks.from_files import Case


def reading_parts(case: Case, rounds: int) -> dict[str, Any]:
    """Milliseconds of CPU time a clip, of the first video's clips; `plain` is as one writes it with decord and torch.

    CPU time, of all threads, since decord decodes on one of its own, and since other work on the machine disturbs it
    least. All parts take turns; medians.
    """
    record, sampler = case.records[0], case.sampler
    size = scaled_size(record, sampler.scale(0, 0))
    numbers = np.stack([sampler.frame_numbers(0, view, record.frames, record.rate) for view in range(sampler.views)])
    wanted, where = np.unique(numbers, return_inverse=True)
    u, _ = case.draw(np.random.default_rng(0), len(numbers))
    frames = Video(record.path, size, record.seekable, record.frames, record.rate).read(wanted)
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2)
    rows = where.reshape(numbers.shape)
    source = case.source()
    squares = source.squares(np.arange(len(numbers)))
    clips = squares.clips()
    whole = torch.from_numpy(clips)

    def plain() -> object:
        width, height = size or (-1, -1)
        return decord.VideoReader(str(record.path), width=width, height=height, num_threads=1).get_batch(wanted)

    ways: dict[str, Callable[[], object]] = {
        "decoding, plain": plain,
        "decoding": lambda: Video(record.path, size, record.seekable, record.frames, record.rate).read(wanted),
        "squares, plain": lambda: np.stack([sampler.square(pixels[row], 0, 0).contiguous().numpy() for row in rows]),
        "squares": lambda: [sampler.square(torch.from_numpy(frames[row]).permute(0, 3, 1, 2), 0, 0) for row in rows],
        "observing, plain": lambda: resize_and_crop(whole, case.side),
        "observing": lambda: squares.observations(case.side),
        "packing, plain": lambda: whole.flatten(0, 1)[torch.from_numpy(u).flatten()],
        "packing": lambda: squares.kept(u),
    }
    source.close()
    return {"videos": case.name} | {name: each / len(numbers) for name, each in cpu_milliseconds(ways, rounds).items()}


def cpu_milliseconds(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median over rounds of each way's CPU time, all threads together, after a round to warm up."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            start = time.process_time()
            way()
            spent[name].append(time.process_time() - start)
    return {name: 1e3 * float(np.median(times[1:])) for name, times in spent.items()}
