"""Which frames of a video, and which square of them, make up a clip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.errors import InputError, did_you_mean
from ada3d_gym.video.transforms import resize_and_crop

Sampling = Literal["strided", "pyslowfast", "whole"]
PYSLOWFAST_RATE = 30.0  # frames a second that its strides are meant at


@dataclass(frozen=True)
class ClipSampler:
    """What each of a video's `views` clips shows; the same for the same seed, video and view.

    For testing, clips start at evenly spread places and show the centre square. For training (`random`), a clip starts
    anywhere, its short side is scaled to anything in `short_side`, and it shows any square, flipped or not. A video
    shorter than a clip is padded with its last frame.

    Attributes:
        num_frames: T, frames in a clip.
        stride: distance between neighbouring frames of a clip, in video frames.
        views: clips per video. Random ones cost nothing but numbers: have many.
        size: side of the square, in pixels.
        short_side: least and most that a frame's short side is scaled to; `size` by default.
        random: for training.
        flip: half of the random clips are mirrored; not where left and right are what classes differ by.
        sampling: "strided" takes every `stride`th frame (the paper). "pyslowfast" takes `num_frames` evenly spread
            numbers from `num_frames * stride` frames at 30 a second, so that videos of other rates span the same time.
            "whole" takes the middle frames of `num_frames` equal parts of the whole video, whatever the stride, the
            same for every view.
        seed: of the random clips.
    """

    num_frames: int
    stride: int
    views: int
    size: int
    short_side: tuple[int, int] | None = None
    random: bool = False
    flip: bool = False
    sampling: Sampling = "strided"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sampling not in (choices := get_args(Sampling)):
            expected = f"one of {', '.join(choices)}{did_you_mean([str(self.sampling)], choices)}"
            raise InputError(f"unknown sampling {self.sampling!r}: expected {expected}")

    def frame_numbers(self, video: int, view: int, video_frames: int, rate: float = 0.0) -> NDArray[np.int64]:
        """Numbers (T,) of the video frames that make up a clip.

        Args:
            video, view: which clip.
            video_frames: how many frames the video has.
            rate: its frames a second, for "pyslowfast"; anything but a positive number is unknown, taken as 30.
        """
        if self.sampling == "whole":
            numbers = (2 * np.arange(self.num_frames) + 1) * video_frames // (2 * self.num_frames)
        elif self.sampling == "strided":
            span = (self.num_frames - 1) * self.stride + 1
            room = max(0, video_frames - span)
            even = room // 2 if self.views == 1 else room * view // (self.views - 1)
            start = int(self._rng(video, view).integers(room + 1)) if self.random else even
            numbers = start + self.stride * np.arange(self.num_frames)
        else:
            known = math.isfinite(rate) and rate > 0
            width = self.num_frames * self.stride * (rate if known else PYSLOWFAST_RATE) / PYSLOWFAST_RATE
            left = max(0.0, video_frames - width)
            placed = left / 2 if self.views == 1 else left * view / self.views  # a single clip is the middle one
            begin = self._rng(video, view).uniform(0, left) if self.random else placed
            numbers = np.linspace(begin, begin + max(0.0, width - 1), self.num_frames).astype(np.int64)
        return np.clip(numbers, 0, video_frames - 1)

    def scale(self, video: int, view: int) -> int:
        """The short side, in pixels, that a clip's frames are scaled to."""
        least, most = self.short_side or (self.size, self.size)
        if not self.random:
            return least
        return int(self._rng(video, view, 1).integers(least, most + 1))

    def square(self, frames: torch.Tensor, video: int, view: int) -> torch.Tensor:
        """Frames (T, C, H, W) uint8, of any size, as the clip shows them: (T, C, size, size)."""
        from torchvision.transforms.v2 import functional as F  # takes a second to import, and kept clips need none

        scale = self.scale(video, view)
        if min(frames.shape[-2:]) != scale:
            frames = F.resize(frames, [scale], antialias=True)  # an int alone is the short side
        if not self.random:
            return resize_and_crop(frames, self.size) if scale < self.size else F.center_crop(frames, [self.size] * 2)
        rng = self._rng(video, view, 2)
        height, width = frames.shape[-2:]
        top, left = (int(rng.integers(max(0, side - self.size) + 1)) for side in (height, width))
        frames = F.crop(frames, top, left, self.size, self.size)
        return frames.flip(-1) if self.flip and rng.random() < 0.5 else frames

    def _rng(self, video: int, view: int, what: int = 0) -> np.random.Generator:
        return np.random.default_rng((self.seed, what, video, view))
