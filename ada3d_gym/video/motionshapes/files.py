"""Embedded data sets: H.264 videos drawn on first use from a seed, into the user's cache folder.

Every video depends on `(seed, split, index)` alone, so a split can be rendered in part, in any order and by any number
of threads. A video is written under another name and renamed when whole; its line in the split's `index.jsonl` follows.
A folder lock lets processes that start at once share the work of the first.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import platformdirs
from filelock import FileLock
from numpy.typing import NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.progress import Progress
from ada3d_gym.video.cache import REMEDY as CACHE_REMEDY
from ada3d_gym.video.cache import CacheError
from ada3d_gym.video.motionshapes import drawing, untrimmed
from ada3d_gym.video.motionshapes.drawing import CLASSES, FAMILIES, Drawing
from ada3d_gym.video.motionshapes.pieces import SIZE
from ada3d_gym.video.records import VideoRecord

FPS = 25
REMEDY = "delete it: the next run renders it again"


def cache_folder() -> Path:
    """Where the package keeps what it can make again: `$ADA3D_CACHE`, else the user's cache folder.

    Raises:
        CacheError: where there can be no such folder, because a file is in its place or above it.
    """
    folder = Path(os.environ.get("ADA3D_CACHE") or platformdirs.user_cache_path("ada3d_gym"))
    nearest = next((each for each in (folder, *folder.parents) if os.path.lexists(each)), folder)
    if os.path.isfile(nearest):
        where = "a file" if nearest == folder else f"below the file {nearest}"
        raise CacheError(f"the cache folder {folder} is {where}, so nothing can be kept there; {CACHE_REMEDY}")
    return folder


@dataclass(frozen=True)
class DrawnSet:
    """A data set whose videos are drawn.

    Attributes:
        name: as a data set is called by.
        title: its own.
        version: of the drawing, and the folder below the cache folder.
        seed: of all videos.
        splits: how many videos each has, the classes in turn.
        frames: of every video.
        draw: draws a video of a class from a generator.
        views: clips of a video by default, at evenly spread starts.
    """

    name: str
    title: str
    version: str
    seed: int
    splits: Mapping[str, int]
    frames: int
    draw: Callable[[int, np.random.Generator], Drawing]
    views: int

    def records(self, split: str, limit: int | None = None, folder: Path | None = None) -> list[VideoRecord]:
        """The records of a split, rendering the videos that are not there yet.

        Args:
            split: "train", "val" or "test".
            limit: only the first videos of the split (all by default); a smaller set is a prefix of a larger one.
            folder: where the videos live; `cache_folder()` by default.

        Raises:
            ValueError: for an unknown split or a limit out of range.
            CacheError: for a folder that cannot be read, or lacks videos and cannot be written or is full.
        """
        self.check(split)
        count = self.splits[split] if limit is None else limit
        if not 0 < count <= self.splits[split]:
            expected = f"1 to {self.splits[split]}, the videos of {self.title} {split!r}"
            raise InputError(f"limit={limit} is outside {expected}")
        root = (folder or cache_folder()) / self.version / split
        try:
            entries = _rendered(root)
            if _absent(root, entries, count):
                root.mkdir(parents=True, exist_ok=True)
                with FileLock(root / ".lock"):
                    entries = _rendered(root)  # another process may have been faster
                    self._render(root, split, _absent(root, entries, count))
                    entries = _rendered(root)
        except OSError as error:
            raise CacheError(
                f"{root}: not all of the {count} {self.title} {split} videos are there, and they cannot be rendered "
                f"there ({error.strerror or error}); {CACHE_REMEDY}, or to one that holds them"
            ) from error
        return [self._record(root, entries[index]) for index in range(count)]

    def check(self, split: str) -> None:
        """Raises InputError for a split that there is not."""
        if split not in self.splits:
            raise InputError(f"unknown {self.title} split {split!r}: expected one of {', '.join(self.splits)}")

    def describe(self) -> dict[str, Any]:
        """What shapes the encoded videos, for the keys of caches built on them."""
        return {"dataset": self.version, "seed": self.seed, "size": SIZE, "frames": self.frames}

    def _record(self, root: Path, entry: dict[str, Any]) -> VideoRecord:
        label = entry["label"]
        return VideoRecord(
            path=root / entry["file"],
            labels=(label,),
            frames=self.frames,
            sha256=entry["sha256"],
            seekable=True,  # x264 closes its groups of pictures unless told otherwise
            family=FAMILIES[label],
            visible=tuple(entry["visible"]),
            speed=entry["speed"],
            windows=tuple((first, end) for first, end in entry.get("windows", [])),  # older files have none
        )

    def _render(self, root: Path, split: str, indices: Iterable[int]) -> None:
        indices = list(indices)
        pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))  # NumPy and x264 release the GIL
        title = f"rendering {self.title} {split}"
        try:
            shown = Progress(len(indices), title, "video", quiet=len(indices) < 50)
            with shown, (root / "index.jsonl").open("a") as index:
                index.write("\n")  # ends a line that an interruption cut short
                for done in as_completed([pool.submit(self._render_one, root, split, i) for i in indices]):
                    index.write(json.dumps(done.result()) + "\n")
                    shown.add()
        finally:
            pool.shutdown(cancel_futures=True)

    def _render_one(self, root: Path, split: str, index: int) -> dict[str, Any]:
        label = index % len(CLASSES)
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, list(self.splits).index(split), index]))
        drawn = self.draw(label, rng)
        path = root / f"{index:05d}.mp4"
        part = path.with_suffix(".part")
        write_video(part, drawn.frames, FPS)
        content = part.read_bytes()
        part.replace(path)
        return {
            "index": index,
            "file": path.name,
            "label": label,
            "visible": list(drawn.visible),
            "speed": drawn.speed,
            "windows": list(drawn.windows),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }


MOTIONSHAPES = DrawnSet(
    "motionshapes",
    "MotionShapes",
    "motionshapes-edition2",
    2021,
    {"train": 3360, "val": 280, "test": 700},
    drawing.FRAMES,
    drawing.draw,
    views=4,  # all that clips of 8 frames have
)
UNTRIMMED = DrawnSet(
    "motionshapes-untrimmed",
    "untrimmed MotionShapes",
    "motionshapes-untrimmed-edition1",
    2022,
    {"train": 1120, "val": 140, "test": 420},
    untrimmed.FRAMES,
    untrimmed.draw_untrimmed,
    views=16,
)
SPLITS = MOTIONSHAPES.splits


def motionshapes(split: str, limit: int | None = None, folder: Path | None = None) -> list[VideoRecord]:
    """`MOTIONSHAPES.records`."""
    return MOTIONSHAPES.records(split, limit, folder)


def _rendered(root: Path) -> dict[int, dict[str, Any]]:
    """Index entries by video number; a half-written last line counts as absent."""
    entries = {}
    index = root / "index.jsonl"
    if index.exists():
        for line in index.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            entries[entry["index"]] = entry
    return entries


def _absent(root: Path, entries: dict[int, dict[str, Any]], count: int) -> list[int]:
    if not root.exists():
        return list(range(count))
    # Not the parts of videos: another process may be rendering, and renames them at any time.
    sizes = {item.name: item.stat().st_size for item in os.scandir(root) if item.name.endswith(".mp4")}
    return [i for i in range(count) if i not in entries or sizes.get(entries[i]["file"]) != entries[i]["bytes"]]


def write_video(path: Path, frames: NDArray[np.uint8], fps: int, key_frames: int = 12) -> None:
    """Writes (F, H, W, 3) uint8 RGB frames as an H.264 mp4; the same frames give the same bytes in every process.

    `key_frames` is how far apart those are.
    """
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height = frames.shape[2], frames.shape[1]
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        # Without mbtree=0 x264's rate control differs from run to run.
        stream.options = {"preset": "veryfast", "crf": "23", "g": str(key_frames), "x264-params": "mbtree=0"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
