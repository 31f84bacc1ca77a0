"""Decoded clips on their way to the networks: what a mask drops is not copied.

A decoder writes the three colours of a pixel side by side, and convolutions on a CPU want them so ("channels last").
Clips stay in that order until it is known who sees which of their frames. Bringing each colour of all frames into a
plane of its own, as the arrays (B, T, 3, H, W) of the environments have it, takes longer than cutting the squares out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ada3d_gym.profiling import timed
from ada3d_gym.video.transforms import resize_and_crop


class Squares:
    """Clips of decoded frames, not yet copied into one array.

    Args:
        frames: of each clip, (T, 3, size, size) uint8 RGB, in any memory order; at least one clip.
    """

    def __init__(self, frames: Sequence[Tensor]):
        self.frames = tuple(frames)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, part: slice) -> Squares:
        return Squares(self.frames[part])

    def __add__(self, more: Squares) -> Squares:
        return Squares(self.frames + more.frames)

    @timed("preparing", counted=0)
    def clips(self) -> NDArray[np.uint8]:
        """All frames (B, T, 3, size, size) uint8, a contiguous array."""
        clips = np.empty((len(self), *self.frames[0].shape), np.uint8)
        for row, frames in zip(clips, self.frames, strict=True):
            row[:] = frames.numpy()  # NumPy changes the order in half of the time that torch takes
        return clips

    @timed("preparing", counted=0)
    def observations(self, side: int) -> NDArray[np.uint8]:
        """All frames at a policy's resolution, (B, T, 3, side, side) uint8, the same pixels as `resize_and_crop`'s."""
        out = torch.empty(len(self), len(self.frames[0]), 3, side, side, dtype=torch.uint8)
        for row, frames in zip(out, self.frames, strict=True):
            row.copy_(resize_and_crop(frames, side))
        observations: NDArray[np.uint8] = out.numpy()
        return observations

    def kept(self, u: NDArray[np.bool_]) -> Tensor:
        """The frames that masks u (B, T) keep, clip by clip: (N, 3, size, size) uint8, channels last.

        `ada3d_gym.networks.classifier.NetworkClassifier.scores_packed` takes them.
        """
        counts = u.sum(1).tolist()
        side = self.frames[0].shape[-1]
        out = torch.empty(sum(counts), 3, side, side, dtype=torch.uint8, memory_format=torch.channels_last)
        for part, frames, mask in zip(out.split(counts), self.frames, u, strict=True):
            for to, place in enumerate(np.flatnonzero(mask).tolist()):
                part[to].copy_(frames[place])
        return out
