"""Videos as data sets hold them at 340 x 256, drawn from a seed into the user's cache folder, with their index.

A scene of noise whose energy falls with frequency, as that of photographs does, is panned; another moves
across it; grain that changes from frame to frame is added, as cameras have it. 25 or 30 frames a second, a key frame
every 50 frames, H.264 at x264's constant quality 23. The grain is such that they take about as many bytes as Kinetics'
53 kB a second.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from ada3d_gym.datasets import DataError, load_index
from ada3d_gym.experiments.index_videos import index_videos
from ada3d_gym.experiments.own.collecting import Found, Split
from ada3d_gym.experiments.own.lists import write_lists
from ada3d_gym.experiments.shards import shards
from ada3d_gym.files import replacing, writing
from ada3d_gym.progress import counted
from ada3d_gym.video.motionshapes.files import cache_folder, write_video
from ada3d_gym.workers import default_workers

WIDTH, HEIGHT, SECONDS, KEY_FRAMES = 340, 256, 10, 50
EDITION = 1  # of the drawing
MARGIN = 96  # of the scene beyond the picture, in pixels
GRAIN = (2.0, 7.0)  # standard deviation of the brightness, of 255, from video to video; chosen for the bytes a second
GRAINS = 8  # pictures of grain that take turns
CLASSES = 4
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Videos:
    """A folder that is indexed as the data set "videos".

    Attributes:
        root: of the lists; give it as `data_root`.
        train, test: how many videos of each split.
        seconds: of each video.
        bytes_a_second: of the files, mean.
    """

    root: Path
    train: int
    test: int
    seconds: int
    bytes_a_second: float

    def shards(self, encoded_anew: bool = False) -> Path:
        """A folder of the same videos in shards, made where it is not there; give it as `data_root`.

        Args:
            encoded_anew: with key frames 16 frames apart, as `ada3d shards --short-side 256` has it, or else as they
                are.
        """
        folder = self.root / ("reencoded" if encoded_anew else "shards")
        if not all(_is_indexed(folder, split) for split in SPLITS):
            shards("videos", folder, self.root, SPLITS, HEIGHT if encoded_anew else None)
        return folder


def feeding_videos(
    train: int, test: int, seed: int = 0, seconds: int = SECONDS, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> Videos:
    """So many videos of each split, drawn where they are not there yet, listed and indexed.

    Args:
        train, test: how many; a smaller set has the first of a larger one.
        seed: of all.
        seconds: of each.
        size: (width, height), both even.
    """
    place = cache_folder() / f"feeding-{EDITION}" / f"{size[0]}x{size[1]}-{seconds}s-seed{seed}"
    root = place / f"{train}-{test}"
    numbers: dict[Split, range] = {"train": range(train), "test": range(10**6, 10**6 + test)}
    paths = {split: [place / f"{number:07d}.mp4" for number in each] for split, each in numbers.items()}
    with writing(place, "ADA3D_CACHE names another folder"):
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(place / ".lock"):
            missing = [path for each in paths.values() for path in each if not path.exists()]
            with ThreadPoolExecutor(default_workers()) as pool:  # NumPy's loops and x264 let go of Python's lock
                draw = partial(_write, seed=seed, seconds=seconds, size=size)
                title = f"drawing videos of {seconds} s"
                list(counted(pool.map(draw, missing), len(missing), title, "video"))
            _index(root, paths)
    files = [path.stat().st_size for each in paths.values() for path in each]
    return Videos(root, train, test, seconds, float(np.mean(files)) / seconds)


def _index(root: Path, paths: dict[Split, list[Path]]) -> None:
    splits: dict[Split, list[Found]] = {
        split: [Found(path, number % CLASSES) for number, path in enumerate(each)] for split, each in paths.items()
    }
    changed = write_lists(root, splits, [f"class {number}" for number in range(CLASSES)])
    if changed or not all(_is_indexed(root, split) for split in splits):
        index_videos("videos", root=root, workers=default_workers())


def _is_indexed(root: Path, split: str) -> bool:
    try:
        return not load_index("videos", root, split).old
    except DataError:
        return False


def _write(path: Path, seed: int, seconds: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng((seed, int(path.stem)))
    rate = int(rng.choice([25, 30]))
    with replacing(path) as part:
        write_video(part, scene(rng, rate * seconds, size), rate, KEY_FRAMES)


def scene(rng: np.random.Generator, frames: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Frames (F, H, W, 3) uint8 RGB of a scene that the camera pans over, something that moves, and grain."""
    width, height = size
    back = texture(rng, height + MARGIN, width + MARGIN)
    front = texture(rng, height // 3, width // 4)
    grain = (rng.uniform(*GRAIN) * rng.standard_normal((GRAINS, height, width, 1))).round().astype(np.int16)
    times = np.linspace(0, 1, frames)[:, None]
    pan = _path(rng, times, (MARGIN, MARGIN))
    walk = _path(rng, times, (height - front.shape[0], width - front.shape[1]))
    shown = np.empty((frames, height, width, 3), np.uint8)
    for number, ((top, left), (y, x)) in enumerate(zip(pan.tolist(), walk.tolist(), strict=True)):
        picture = back[top : top + height, left : left + width].copy()
        picture[y : y + front.shape[0], x : x + front.shape[1]] = front
        picture += grain[rng.integers(GRAINS)]
        shown[number] = picture.clip(0, 255)
    return shown


def texture(rng: np.random.Generator, height: int, width: int) -> NDArray[np.int16]:
    """(H, W, 3) int16 in 0 to 255: noise whose amplitude falls with frequency, channels alike but for a tint."""
    y, x = np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    falling = 1 / np.maximum(np.hypot(y, x), 1 / max(height, width)) ** 1.2
    planes = []
    for _ in range(2):
        phases = np.exp(2j * np.pi * rng.random(falling.shape))
        plane = np.fft.irfft2(falling * phases, s=(height, width))
        planes.append(plane / plane.std())
    tints = 128 + 45 * planes[0][..., None] + 18 * planes[1][..., None] * rng.uniform(-1, 1, 3)
    clipped: NDArray[np.int16] = tints.clip(0, 255).astype(np.int16)
    return clipped


def _path(rng: np.random.Generator, times: NDArray[np.float64], most: tuple[int, int]) -> NDArray[np.int64]:
    """Places (F, 2) within 0 to `most` on a smooth way."""
    speed, phase = rng.uniform(0.3, 1.2, 2), rng.uniform(0, 2 * np.pi, 2)
    return (np.asarray(most) * (0.5 + 0.5 * np.sin(2 * np.pi * speed * times + phase))).astype(np.int64)
