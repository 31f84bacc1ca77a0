"""Does loading clips cost what decoding them costs, and does the network wait for it?

    python -m benchmarks.video_loading            # 320 x 240 and 640 x 480, 10 s each
    python -m benchmarks.video_loading --quick    # 320 x 240 alone, fewer clips and turns

Everything is measured on the same H.264 videos, clip by clip (8 frames, stride 8). For each clip all ways take turns
until the two fastest of each agree, and the fastest counts, the one that other work on the machine disturbed least; a
figure is a ratio of the sums over clips. Files are in the page cache; torch computes on one thread.

- over_decord: time(bare decord) / time(`VideoClips`), each on one thread. Bare decord is what one would write for these
  clips alone: `VideoReader(path, width, height, num_threads=1)`, `get_batch`, then the same resize, crop and flip in
  torch. It checks nothing, and both give the same pixels.
- cache_over_decode: time to decode the clips, on one thread / time to read them from the memory-mapped cache.
- overlap_hidden: of the time to decode a clip on one thread, the share that vanishes when the clip was announced
  (`expect`) before a step of equal length: (decode + step - both) / decode. The step is forward passes of a classifier
  on one thread, so that two cores do: one for the network, one for the decoder. overlap_hidden_waiting has a step that
  only waits, as for a GPU.
- opening: time to open a file and decode its first frame, over that of a clip: more than a file kept open would save.
- index_seconds, index_megabytes: to load an index of 240,000 videos, Kinetics-400's number; index_file its megabytes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from json import dumps
from pathlib import Path
from typing import Any

import av
import decord
import numpy as np
import torch
from numpy.typing import NDArray
from tabulate import tabulate

from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.timing import alternate
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_TINY
from ada3d_gym.progress import Progress, counted
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.decoders.packets import Packets
from ada3d_gym.video.decoders.video import Video
from ada3d_gym.video.indexing.index import VideoIndex
from ada3d_gym.video.indexing.probe import probe
from ada3d_gym.video.records import VideoRecord, scaled_size
from ada3d_gym.video.sampling import ClipSampler
from benchmarks.memory import peak_megabytes
from benchmarks.timing import fastest

FRAMES, STRIDE, RATE, SECONDS = 8, 8, 25, 10
SIZES = ((320, 240), (640, 480))
SAMPLERS = {
    "training": ClipSampler(FRAMES, STRIDE, 1000, 224, (256, 320), random=True, flip=True),
    "test": ClipSampler(FRAMES, STRIDE, 10, 256, (256, 256)),
}


def write_videos(folder: Path, count: int, width: int, height: int, seed: int) -> list[VideoRecord]:
    """Videos with noise and something that moves, a key frame every 50 frames."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(-8, 9, (4, height, width, 1), np.int16)
    records = []
    for number in counted(range(count), count, f"writing {width} x {height}", "video"):
        coarse = rng.integers(8, 248, (height // 20 + 1, width // 10 + 1, 3), np.int16)
        scene = coarse.repeat(20, 0).repeat(20, 1)[:height]
        path = folder / f"{width}-{number}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "g": "50"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for shift in range(RATE * SECONDS):
                picture = scene[:, shift : shift + width] + noise[shift % len(noise)]
                frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        found = probe(path)
        figures = found.frames, "", found.size, found.width, found.height, found.rate, found.seekable
        records.append(VideoRecord(path, (0,), *figures, packets=found.packets))
    return records


@dataclass(frozen=True)
class Case:
    """One size of videos and one way to draw clips from them.

    Attributes:
        most: turns of one measurement, see `benchmarks.timing.fastest`.
    """

    records: list[VideoRecord]
    sampler: ClipSampler
    most: int = 40

    def ids(self, count: int) -> list[NDArray[np.int64]]:
        """So many clips, each alone, of one video after the other."""
        videos, views = len(self.records), self.sampler.views
        return [np.array([number % videos * views + number // videos % views]) for number in range(count)]

    def clips(self, cache: Path | None = None) -> VideoClips:
        """They keep the last clip alone, so that another one asked for makes them decode it anew."""
        return VideoClips(
            self.records, ("a",), self.sampler, observation_size=112, cache=cache, workers=1, ahead_bytes=1
        )

    def bare(self, clip: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The same clip with decord alone."""
        video, view = divmod(int(clip[0]), self.sampler.views)
        record = self.records[video]
        width, height = scaled_size(record, self.sampler.scale(video, view)) or (-1, -1)
        reader = decord.VideoReader(str(record.path), width=width, height=height, num_threads=1)
        numbers = self.sampler.frame_numbers(video, view, len(reader))
        frames = torch.from_numpy(reader.get_batch(numbers).asnumpy()).permute(0, 3, 1, 2)
        return self.sampler.square(frames, video, view)[None].contiguous().numpy()


def loading(case: Case, count: int, cache: Path) -> dict[str, float]:
    """Clips a second of each way, and ratios."""
    ours, cached = case.clips(), case.clips(cache)
    ways = {"bare decord": case.bare, "ours": ours.clips, "cache": cached.clips}
    taken = dict.fromkeys(ways, 0.0)
    *ids, other = case.ids(count + 1)
    for clip in ids:
        expected, *found = (way(clip) for way in ways.values())
        if not all(np.array_equal(expected, each) for each in found):
            raise RuntimeError("the ways give different clips")
        turns = {name: partial(way, clip) for name, way in ways.items()}
        for name, seconds in fastest(turns, before=partial(ours.clips, other), most=case.most).items():
            taken[name] += seconds
    ours.close()
    cached.close()
    figures = {f"{name}, clips/s": count / seconds for name, seconds in taken.items()}
    figures["over decord"] = taken["bare decord"] / taken["ours"]
    figures["cache / decode"] = taken["ours"] / taken["cache"]
    return figures


def overlap(case: Case, count: int, step_of: Callable[[float], Callable[[], object]]) -> float:
    """Share of the decoding that a step of equal length hides."""
    clips = case.clips()
    *ids, other = case.ids(count + 1)
    decoding = hidden = 0.0

    def announced(clip: NDArray[np.int64], step: Callable[[], object]) -> None:
        clips.expect(clip)
        step()
        clips.clips(clip)

    for clip in ids:
        decode, before = partial(clips.clips, clip), partial(clips.clips, other)
        step = step_of(fastest({"decode": decode}, before, most=case.most)["decode"])
        ways: dict[str, Callable[[], object]] = {"decode": decode, "step": step}
        ways["both"] = partial(announced, clip, step)
        taken = fastest(ways, before, most=case.most)
        decoding += taken["decode"]
        hidden += taken["decode"] + taken["step"] - taken["both"]
    clips.close()
    return hidden / decoding


def waiting(seconds: float) -> Callable[[], object]:
    """A step that waits so long, as for a GPU."""
    return lambda: time.sleep(seconds)


class Passes:
    """A step of as many passes of a classifier's network as fit into so many seconds."""

    def __init__(self) -> None:
        self.network = inference_form(MaskedResNet3d(I3D_TINY, 14).eval(), torch.float32)
        self.inputs = (
            torch.randn(2, FRAMES, 3, 32, 32, generator=torch.Generator().manual_seed(0)),
            torch.ones(2, FRAMES, dtype=torch.bool),
            torch.ones(2, I3D_TINY.num_stages, dtype=torch.bool),
        )
        self.each = fastest({"pass": lambda: self.run(1)})["pass"]

    def run(self, count: int) -> None:
        with torch.inference_mode():
            for _ in range(count):
                self.network(*self.inputs)

    def __call__(self, seconds: float) -> Callable[[], object]:
        count = max(1, round(seconds / self.each))
        return lambda: self.run(count)


def opening(case: Case) -> float:
    """Share of the time to decode a clip that goes into opening its file, and decoding a frame to have it open."""
    clips, record = case.clips(), case.records[0]
    clip, other = case.ids(2)
    packets = Packets.unpack(record.packets)
    ways = {"open": lambda: Video(record.path, None, packets=packets).read([0]), "decode": lambda: clips.clips(clip)}
    taken = fastest(ways, before=partial(clips.clips, other), most=case.most)
    clips.close()
    return taken["open"] / taken["decode"]


def load_index(folder: Path, count: int) -> dict[str, float]:
    """Seconds and peak memory to load a large index, of paths and packets as the data sets have them: 10 s each."""
    paths = [f"/data/kinetics/train/some class or other/-{number:010d}_000010_000020.mp4" for number in range(count)]
    labels = (np.arange(count) % 400)[:, None]
    figures = np.tile([250.0, 340.0, 256.0, 25.0, 1e6, 1.0], (count, 1))
    rng = np.random.default_rng(0)
    scenes = [np.union1d([0], rng.choice(250, 3)) for _ in range(1000)]
    packets = [Packets(512 * np.arange(250), 512 * keys, 25.0, True, 1 / 12800).pack() for keys in scenes]
    changed = rng.integers(1, 2**60, count)
    path = folder / "index.npz"
    classes = [f"class {label}" for label in range(400)]
    VideoIndex(classes, paths, labels, figures, (), [packets[n % 1000] for n in range(count)], changed).save(path)
    seconds = alternate({"load": lambda: VideoIndex.load(path)}, 5)["load"]
    return {
        "index_seconds": float(np.median(seconds)),
        "index_megabytes": peak_megabytes(lambda: VideoIndex.load(path)),
        "index_file": path.stat().st_size / 1e6,
    }


def video_loading(
    quick: bool = False, json: Path | None = None, videos: int = 4, clips: int = 8, seed: int = 0
) -> None:
    """Measures loading against bare decord, the cache against decoding, and how much decoding a step hides.

    Args:
        quick: one size of videos, three clips at most, few turns, a smaller index.
        json: where to write the figures, beside the table.
        videos: of each size.
        clips: to measure with, of each size and kind.
        seed: of the videos.
    """
    sizes, clips = (SIZES[:1], min(clips, 3)) if quick else (SIZES, clips)
    torch.set_num_threads(1)
    step = Passes()
    rows: list[dict[str, Any]] = []
    kinds = len(sizes) * len(SAMPLERS)
    with tempfile.TemporaryDirectory() as folder, Progress(kinds, "loading", "clip kind") as shown:
        for width, height in sizes:
            records = write_videos(Path(folder), videos, width, height, seed)
            for name, sampler in SAMPLERS.items():
                shown.doing(f"{name} clips of {width} x {height}")
                case = Case(records, sampler, 8) if quick else Case(records, sampler)
                figures = loading(case, clips, Path(folder) / "cache")
                figures["opening"] = opening(case)
                figures["hidden"] = overlap(case, clips, step)
                figures["hidden, waiting"] = overlap(case, clips, waiting)
                rows.append({"videos": f"{width} x {height}", "clips": name, **figures})
                shown.add()
        large = load_index(Path(folder), 24_000 if quick else 240_000)
    summary = {
        "over_decord": min(row["over decord"] for row in rows),
        "cache_over_decode": min(row["cache / decode"] for row in rows),
        "overlap_hidden": min(row["hidden"] for row in rows),
        "overlap_hidden_waiting": min(row["hidden, waiting"] for row in rows),
        "opening": max(row["opening"] for row in rows),
        **large,
    }
    print(tabulate(rows, "keys", tablefmt="github", floatfmt=".2f"))
    print("\n" + "\n".join(f"{name}: {value:.3f}" for name, value in summary.items()))
    if json:
        json.write_text(dumps({"summary": summary, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    run(video_loading)
