"""Video files, good and bad, for tests."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ada3d_gym.video.motionshapes.files import write_video
from ada3d_gym.video.records import VideoRecord
from tests.junk import JUNK


def random_frames(count: int, height: int = 64, width: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    """Frames that all differ, smooth enough to survive compression."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, height // 16, width // 16, 3), np.uint8)
    return coarse.repeat(16, 1).repeat(16, 2)


def video_file(path: Path, count: int = 40, seed: int = 0) -> VideoRecord:
    write_video(path, random_frames(count, seed=seed), 25)
    return VideoRecord(path, (0,))


def decode_with_pyav(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def _truncated(path: Path) -> None:
    video_file(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _picture(path: Path) -> None:
    png = io.BytesIO()
    Image.new("RGB", (64, 64)).save(png, "png")
    path.write_bytes(png.getvalue())


BAD_FILES: dict[str, Callable[[Path], object]] = {**JUNK, "truncated": _truncated, "picture": _picture}
"""What each bad file is made by, at a path."""
