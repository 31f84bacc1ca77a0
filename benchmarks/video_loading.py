"""Does loading clips cost what decoding them costs, and does the network wait for it?

    python -m benchmarks.video_loading            # 320 x 240 and 640 x 480, 10 s each
    python -m benchmarks.video_loading --quick    # 320 x 240 alone, fewer rounds

Everything is measured on the same H.264 videos, round by round in turn, one clip of 8 frames (stride 8) of each video.
In a round all ways take turns several times and the fastest turn of each counts, the one that other work on the machine
disturbed least; every figure is the median over rounds of a ratio within a round. Files are in the page cache; torch
computes on one thread.

- over_decord: time(bare decord) / time(`VideoClips`), each on one thread. Bare decord is what one would write for these
  clips alone: `VideoReader(path, width, height, num_threads=1)`, `get_batch`, then the same resize, crop and flip in
  torch. It checks nothing, and both give the same pixels.
- cache_over_decode: time to decode the clips, on one thread / time to read them from the memory-mapped cache.
- overlap_hidden: of the time to decode a batch on one thread, the share that vanishes when the batch was announced
  (`expect`) before a step of equal length: (decode + step - both) / decode. The step is forward passes of a classifier
  on one thread, so that two cores do: one for the network, one for the decoder. overlap_hidden_waiting has a step that
  only waits, as for a GPU.
- opening: share of the decoding time of a clip that a reader kept open would save.
- index_seconds, index_megabytes: to load an index of 100,000 videos.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any

import av
import decord
import numpy as np
import torch
from numpy.typing import NDArray
from tabulate import tabulate
from tqdm import tqdm

from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_TINY
from ada3d_gym.video.clips import VideoClips, scaled_size
from ada3d_gym.video.decoding import Video
from ada3d_gym.video.index import VideoIndex
from ada3d_gym.video.probe import probe
from ada3d_gym.video.records import VideoRecord
from ada3d_gym.video.sampling import ClipSampler
from benchmarks.memory import peak_megabytes
from benchmarks.timing import alternate
from experiments.cli import run

FRAMES, STRIDE, RATE, SECONDS = 8, 8, 25, 10
TURNS = 7
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
    for number in tqdm(range(count), desc=f"writing {width} x {height}", unit="video", leave=False, disable=None):
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
        records.append(
            VideoRecord(path, (0,), found.frames, "", found.size, found.width, found.height, found.rate, found.seekable)
        )
    return records


@dataclass(frozen=True)
class Case:
    """One size of videos and one way to draw clips from them."""

    records: list[VideoRecord]
    sampler: ClipSampler

    def ids(self, round_: int) -> NDArray[np.int64]:
        """One clip of each video, others in each round."""
        return np.arange(len(self.records)) * self.sampler.views + round_ % self.sampler.views

    def clips(self, cache: Path | None = None) -> VideoClips:
        return VideoClips(self.records, ("a",), self.sampler, observation_size=112, cache=cache, workers=1)

    def bare(self, ids: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The same clips with decord alone."""
        clips = []
        for video, view in (divmod(clip, self.sampler.views) for clip in ids.tolist()):
            record = self.records[video]
            width, height = scaled_size(record, self.sampler.scale(video, view)) or (-1, -1)
            reader = decord.VideoReader(str(record.path), width=width, height=height, num_threads=1)
            numbers = self.sampler.frame_numbers(video, view, len(reader))
            frames = torch.from_numpy(reader.get_batch(numbers).asnumpy()).permute(0, 3, 1, 2)
            clips.append(self.sampler.square(frames, video, view).numpy())
        return np.stack(clips)


def loading(case: Case, rounds: int, cache: Path) -> dict[str, float]:
    """Clips a second of each way, and ratios."""
    ours, cached = case.clips(), case.clips(cache)
    seconds: dict[str, list[float]] = {}
    for round_ in range(rounds):
        ids = case.ids(round_)
        if not np.array_equal(case.bare(ids), ours.clips(ids)) or not np.array_equal(
            cached.clips(ids), ours.clips(ids)
        ):
            raise RuntimeError("the ways give different clips")
        ways: dict[str, Callable[[], object]] = {
            "bare decord": lambda ids=ids: case.bare(ids),  # type: ignore[misc]
            "ours": lambda ids=ids: decode(ours, ids),  # type: ignore[misc]
            "cache": lambda ids=ids: cached.clips(ids),  # type: ignore[misc]
        }
        for name, times in alternate(ways, TURNS, warm_up=0).items():
            seconds.setdefault(name, []).append(float(times.min()))
    ours.close()
    cached.close()
    taken = {name: np.array(times) for name, times in seconds.items()}
    figures = {f"{name}, clips/s": len(case.records) / float(np.median(times)) for name, times in taken.items()}
    figures["over decord"] = float(np.median(taken["bare decord"] / taken["ours"]))
    figures["cache / decode"] = float(np.median(taken["ours"] / taken["cache"]))
    return figures


def decode(clips: VideoClips, ids: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Decodes clips anew, whatever has been decoded before."""
    clips.close()
    return clips.clips(ids)


def overlap(case: Case, rounds: int, waiting: bool) -> float:
    """Share of the decoding that a step of equal length hides."""
    clips = case.clips()
    shares = []
    for round_ in range(rounds):
        ids = case.ids(round_)

        def alone(ids: NDArray[np.int64] = ids) -> None:
            decode(clips, ids)

        step = step_of(float(alternate({"alone": alone}, TURNS)["alone"].min()), waiting)

        def both(ids: NDArray[np.int64] = ids, step: Callable[[], object] = step) -> None:
            clips.close()
            clips.expect(ids)
            step()
            clips.clips(ids)

        times = alternate({"decode": alone, "step": step, "both": both}, TURNS, warm_up=0)
        taken = {name: float(each.min()) for name, each in times.items()}
        shares.append((taken["decode"] + taken["step"] - taken["both"]) / taken["decode"])
    clips.close()
    return float(np.median(shares))


def step_of(seconds: float, waiting: bool) -> Callable[[], object]:
    """A step that takes so long: waiting, or passes of the classifier's network, as many as fit."""
    if waiting:
        return lambda: time.sleep(seconds)
    network = inference_form(MaskedResNet3d(I3D_TINY, 14).eval(), torch.float32)
    clips = torch.randn(2, FRAMES, 3, 32, 32)
    u, v = torch.ones(2, FRAMES, dtype=torch.bool), torch.ones(2, I3D_TINY.num_stages, dtype=torch.bool)

    def passes(count: int) -> None:
        with torch.inference_mode():
            for _ in range(count):
                network(clips, u, v)

    each = float(alternate({"pass": lambda: passes(10)}, 5)["pass"].min()) / 10
    return lambda: passes(max(1, round(seconds / each)))


def opening(case: Case) -> float:
    """Share of the time to decode a clip that goes into opening its file."""
    clips, ids = case.clips(), case.ids(0)

    def open_all() -> None:
        for record in case.records:
            Video(record.path, None, record.seekable)

    taken = alternate({"open": open_all, "decode": lambda: decode(clips, ids)}, TURNS)
    clips.close()
    return float(taken["open"].min() / taken["decode"].min())


def load_index(folder: Path, count: int = 100_000) -> dict[str, float]:
    """Seconds and peak memory to load a large index, of paths as long as the data sets' are."""
    paths = [f"/data/kinetics/train/some class or other/-{number:010d}_000010_000020.mp4" for number in range(count)]
    labels = (np.arange(count) % 400)[:, None]
    figures = np.tile([250.0, 340.0, 256.0, 25.0, 1e6, 1.0], (count, 1))
    path = folder / "index.npz"
    VideoIndex([f"class {label}" for label in range(400)], paths, labels, figures).save(path)
    seconds = alternate({"load": lambda: VideoIndex.load(path)}, 5)["load"]
    return {
        "index_seconds": float(np.median(seconds)),
        "index_megabytes": peak_megabytes(lambda: VideoIndex.load(path)),
    }


def video_loading(
    quick: bool = False, json: Path | None = None, videos: int = 4, rounds: int = 5, seed: int = 0
) -> None:
    """Measures loading against bare decord, the cache against decoding, and how much decoding a step hides.

    Args:
        quick: one size of videos, fewer rounds.
        json: where to write the figures, beside the table.
        videos: of each size; as many clips in a batch.
        rounds: of measurement, each with other clips.
        seed: of the videos.
    """
    sizes, rounds = (SIZES[:1], min(rounds, 3)) if quick else (SIZES, rounds)
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for width, height in tqdm(sizes, desc="sizes of videos", disable=None):
            records = write_videos(Path(folder), videos, width, height, seed)
            for name, sampler in SAMPLERS.items():
                case = Case(records, sampler)
                figures = loading(case, rounds, Path(folder) / "cache")
                figures["opening"] = opening(case)
                figures["hidden"] = overlap(case, rounds, waiting=False)
                figures["hidden, waiting"] = overlap(case, rounds, waiting=True)
                rows.append({"videos": f"{width} x {height}", "clips": name, **figures})
        large = load_index(Path(folder))
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
