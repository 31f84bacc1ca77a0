"""Which frames look alike to a network, whatever else a frame mask keeps.

After convolutions that together reach `radius` kept neighbours to each side, a frame's features depend on the mask only
by these neighbours: its context. So the 2^T masks, which keep T 2^(T - 1) frames in all, hold far fewer frames that
differ: with T = 8, 8 at radius 0, 120 at 1, 428 at 2, and 1,024 from 7 on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ada3d_gym.masks import all_masks


class Bags(NamedTuple):
    """Sums of rows: those of bag i are `rows[offsets[i] : offsets[i + 1]]`, as `F.embedding_bag` takes them."""

    rows: Tensor
    offsets: Tensor


class Contexts:
    """The frames in context of all frame masks of T frames, for every radius up to T - 1, where each mask has its own.

    Attributes:
        num_frames: T.
        number: (T, 2^T, T) int64: by radius, mask and frame, the number of the frame in its context, -1 where the mask
            drops it.
        counts: (T,) how many there are at each radius.
    """

    def __init__(self, num_frames: int, device: torch.device | str = "cpu"):
        self.num_frames, self._device = num_frames, device
        kept = all_masks(num_frames, 0).astype(np.bool_)
        self._frames = _kept_frames(kept)
        self._ranks = np.where(kept, kept.cumsum(1) - 1, -1)
        self.number = np.full((num_frames, *kept.shape), -1)
        self.counts: list[int] = []
        self._examples: list[NDArray[np.int64]] = []  # (S, 2) a mask and frame for each
        masks, frames = kept.nonzero()
        ranks = self._ranks[masks, frames][:, None]
        powers = 1 << np.arange(num_frames)
        for radius in range(num_frames):
            near = abs(self._ranks[masks] - ranks) <= radius
            context = (near & kept[masks]) @ powers
            _, first, number = np.unique(context * num_frames + frames, return_index=True, return_inverse=True)
            self.number[radius, masks, frames] = number
            self.counts.append(len(first))
            self._examples.append(np.stack([masks[first], frames[first]], 1))
        self._taps: dict[tuple[int, int], tuple[int, Bags]] = {}
        self._masks: dict[int, Bags] = {}

    def taps(self, radius: int, reach: int) -> tuple[int, Bags]:
        """What a convolution that reaches `reach` kept neighbours to each side adds up, for frames at `radius`.

        Returns:
            The radius of what comes out, and for each frame in context there, rows of the outputs of all taps one below
            the other, (2 * reach + 1) * `counts[radius]`: the earliest neighbour's tap first, the centre in the middle.
        """
        if (radius, reach) not in self._taps:
            after = min(radius + reach, self.num_frames - 1)
            masks, frames = self._examples[after].T
            offsets = np.arange(-reach, reach + 1)
            ranks = self._ranks[masks, frames][:, None] + offsets
            there = (ranks >= 0) & (ranks < (self._frames >= 0).sum(1)[masks, None])
            neighbours = self._frames[masks[:, None], np.where(there, ranks, 0)]
            rows = self.number[radius, masks[:, None], neighbours] + np.arange(len(offsets)) * self.counts[radius]
            self._taps[radius, reach] = after, self._bags(rows, there)
        return self._taps[radius, reach]

    def centres(self, radius: int, reach: int) -> Tensor:
        """For each frame in context that comes out of such a convolution, which one at `radius` it is without it."""
        after = min(radius + reach, self.num_frames - 1)
        masks, frames = self._examples[after].T
        return torch.from_numpy(self.number[radius, masks, frames]).to(self._device)

    def masks(self, radius: int) -> Bags:
        """The frames in context at `radius` that each of the 2^T masks keeps; the first mask has none."""
        if radius not in self._masks:
            rows = self.number[radius]
            self._masks[radius] = self._bags(rows, rows >= 0)
        return self._masks[radius]

    def _bags(self, rows: NDArray[np.int64], there: NDArray[np.bool_]) -> Bags:
        ends = there.sum(1).cumsum()
        offsets = np.concatenate([[0], ends[:-1]])
        return Bags(*(torch.from_numpy(each).to(self._device) for each in (rows[there], offsets)))


def _kept_frames(kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(2^T, T): the frames that each mask keeps, in order, then -1."""
    frames = np.full(kept.shape, -1)
    masks, numbers = kept.nonzero()
    frames[masks, (kept.cumsum(1) - 1)[masks, numbers]] = numbers
    return frames
