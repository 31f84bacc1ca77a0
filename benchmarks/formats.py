"""What a clip costs to read, by how the videos are kept: bytes of the disk, calls of the system, CPU time.

    python -m benchmarks.formats            # 340 x 256 and 320 x 240, 10 s and 200 s
    python -m benchmarks.formats --quick    # 340 x 256, 10 s

Clips are 8 frames, stride 8, each alone, of H.264 with key frames as far apart as encoders put them by default. The
ways take turns, clip by clip. CPU time is that of all threads, and of each clip the least counts, the one that other
work disturbed least. Files are in the page cache: what is counted is what is asked of the disk.

- decord: bare, as one would write it for these clips alone.
- files, no packets: as an index of an earlier version gives them, so that a file is read to find its packets.
- files: as `ada3d index-videos` gives them now.
- shards: of the same files (`ada3d shards`).
- shards, anew: encoded anew with a short side of 256 pixels at most, so that little is decoded for a clip
  (`ada3d shards --short-side 256`).
- cache: decoded clips on disk (`cache_bytes`), of test clips; each training video has 1,000 others.

All but the new ones give the same pixels. `needed` is what the clips' packets take, from the key frame before, and the
file's own table of its packets. `over_needed` in the summary is the most that `files` reads over that.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from json import dumps
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray
from tabulate import tabulate

from ada3d_gym.experiments.cli import run
from ada3d_gym.progress import Progress
from ada3d_gym.video.decoders.packets import opened
from ada3d_gym.video.indexing.index import VideoIndex, figures
from ada3d_gym.video.indexing.probe import probe
from ada3d_gym.video.records import VideoRecord
from ada3d_gym.video.reencoding import Encoding
from ada3d_gym.video.shards.writing import write_shards
from benchmarks.video_loading import SAMPLERS, Case

RATE = 25
SIZES, LENGTHS = ((340, 256), (320, 240)), (10, 200)
TURNS = 5
NOISE = 7  # standard deviation of brightness
COUNTERS = Path("/proc/self/io")
Way = Callable[[NDArray[np.int64]], NDArray[np.uint8]]


def write_video(path: Path, width: int, height: int, seconds: int, seed: int) -> None:
    """A scene that moves, another one every 5 s, and as much noise as makes it 300 to 500 kbit/s."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, NOISE, (16, height, width, 1)).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(RATE * seconds):
            shift = number % (5 * RATE)
            if not shift:
                coarse = rng.integers(8, 248, (height // 20 + 1, (width + 5 * RATE) // 10 + 1, 3), np.int16)
                scene = coarse.repeat(20, 0).repeat(10, 1)[:height]
            picture = scene[:, shift : shift + width] + noise[rng.integers(len(noise))]
            frame = av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def indexed(paths: Sequence[Path]) -> VideoIndex:
    """An index of videos of one class."""
    found = [probe(path) for path in paths]
    labels = [np.zeros(1, np.int64)] * len(paths)
    return VideoIndex(
        ("a",), [str(path) for path in paths], labels, figures(found), (), [each.packets for each in found]
    )


class Needs:
    """Where the packets of a file are."""

    def __init__(self, record: VideoRecord):
        with opened(record.path) as (container, stream):
            found = [packet for packet in container.demux(stream) if packet.size]
        self.sizes = np.array([packet.size for packet in found])
        self.times = np.array([packet.pts for packet in found])
        self.keys = np.flatnonzero([packet.is_keyframe for packet in found])
        self.header = record.size - int(self.sizes.sum())

    def bytes(self, numbers: NDArray[np.int64]) -> int:
        """Of the packets from the key frame before the first of some frames to the last, and of the header."""
        order = np.argsort(self.times)
        places = order[numbers]
        first = self.keys[self.keys <= places.min()].max()
        return int(self.sizes[first : places.max() + 1].sum()) + self.header


def counted() -> NDArray[np.int64]:
    """Bytes that this process has read, and its calls to read; zeros where Linux is not there."""
    fields = COUNTERS.read_text().split() if COUNTERS.exists() else ["0"] * 6
    return np.array([int(fields[1]), int(fields[5])])


def measure(ways: dict[str, Way], clips: Sequence[NDArray[np.int64]]) -> dict[str, dict[str, float]]:
    """Kilobytes, calls and milliseconds of CPU time a clip, of each way."""
    found = {name: np.zeros(2) for name in ways}
    least = {name: np.full(len(clips), np.inf) for name in ways}
    own = -counted() + counted()  # what counting itself reads
    for _ in range(TURNS):
        for row, clip in enumerate(clips):
            for name, way in ways.items():
                before, start = counted(), time.process_time()
                way(clip)
                least[name][row] = min(least[name][row], time.process_time() - start)
                found[name] += (counted() - before - own) / (TURNS * len(clips))
    return {
        name: {"kB": found[name][0] / 1000, "calls": found[name][1], "CPU ms": 1000 * float(least[name].mean())}
        for name in ways
    }


def compare(folder: Path, width: int, height: int, seconds: int, videos: int, count: int) -> list[dict[str, Any]]:
    """A row for each kind of clips and each way."""
    paths = [folder / f"{width}-{seconds}-{number}.mp4" for number in range(videos)]
    for number, path in enumerate(paths):
        write_video(path, width, height, seconds, number)
    index = indexed(paths)
    plain, anew = (
        write_shards(index, folder, folder / f"{name}-{width}-{seconds}", "set", shard_bytes=10**9, encoding=encoding)
        for name, encoding in (("plain", None), ("anew", Encoding()))
    )
    sets = {"files": list(index), "shards": list(plain), "shards, anew": list(anew)}
    kept = {name: sum(record.size for record in records) / 1000 / videos for name, records in sets.items()}
    needs = [Needs(record) for record in index]
    rows = []
    for kind, sampler in SAMPLERS.items():
        cases = {name: Case(records, sampler) for name, records in sets.items()}
        unknown = Case([replace(record, packets=b"") for record in index], sampler)

        def looked_for(clip: NDArray[np.int64], unknown: Case = unknown) -> NDArray[np.uint8]:
            return unknown.clips().clips(clip)

        sources = {name: case.clips() for name, case in cases.items()}
        if not sampler.random:
            sources["cache"] = cases["files"].clips(folder / "cache")
        ways: dict[str, Way] = {
            "decord": cases["files"].bare,
            "files, no packets": looked_for,
        }
        ways |= {name: source.clips for name, source in sources.items()}
        clips = cases["files"].ids(count)
        expected = {name: [way(clip) for clip in clips] for name, way in ways.items() if name != "shards, anew"}
        if not all(np.array_equal(each, expected["decord"]) for each in expected.values()):
            raise RuntimeError("the ways give different clips")
        needed = np.mean(
            [
                needs[int(clip[0]) // sampler.views].bytes(
                    sources["files"].frame_numbers(int(clip[0]), seconds * RATE, RATE)
                )
                for clip in clips
            ]
        )
        kept["cache"] = sampler.views * float(np.prod(expected["decord"][0].shape[1:])) / 1000
        for name, its in measure(ways, clips).items():
            about = {"videos": f"{width} x {height}, {seconds} s", "clips": kind, "kept as": name}
            rows.append(about | {"kB a video": kept.get(name, kept["files"]), "needed, kB": needed / 1000} | its)
        for source in sources.values():
            source.close()
    return rows


def formats(quick: bool = False, json: Path | None = None, videos: int = 2, clips: int = 10) -> None:
    """Measures all ways on all sizes and lengths.

    Args:
        quick: one size, one length, three clips at most.
        json: where to write the figures, beside the table.
        videos: of each size and length.
        clips: to measure with, of each.
    """
    torch.set_num_threads(1)
    sizes, lengths, clips = (SIZES[:1], LENGTHS[:1], min(3, clips)) if quick else (SIZES, LENGTHS, clips)
    rows = []
    with tempfile.TemporaryDirectory() as folder, Progress(len(sizes) * len(lengths), "formats", "kind") as shown:
        for width, height in sizes:
            for seconds in lengths:
                shown.doing(f"{width} x {height}, {seconds} s")
                rows += compare(Path(folder), width, height, seconds, videos, clips)
                shown.add()
    over = [row["kB"] / row["needed, kB"] for row in rows if row["kept as"] == "files"]
    summary = {"over_needed": max(over)}
    print(tabulate(rows, "keys", tablefmt="github", floatfmt=".1f"))
    print(f"\nover_needed: {summary['over_needed']:.2f}")
    if json:
        json.write_text(dumps({"summary": summary, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    run(formats)
