"""Ragged execution: clips with different masks in one batch, computing only what each clip keeps.

The kept frames of all clips are packed into one (N, C, H, W) batch. In the networks here only the first convolution of
a stage's blocks looks across time, so everything else is a plain 2D convolution over N frames. A temporal convolution
is its centre tap over all N frames plus, where a clip has the stage on and the neighbour exists, its side taps. That is
exact, and no clip waits for another's mask. The neighbours of a kept frame are the neighbouring kept frames, the
paper's V'.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Packing:
    """Which frame of which clip each packed frame is, and who its neighbours are.

    Args:
        u: frame masks (B, T) bool.
        v: stage masks (B, K) bool, on the same device.

    Attributes:
        kept: (N,) int64 positions of the packed frames in the flattened (B * T) frames.
        clip: (N,) int64 clip of each packed frame.
        counts: (B,) int64 kept frames of each clip.
    """

    def __init__(self, u: Tensor, v: Tensor):
        self.kept = u.flatten().nonzero().squeeze(1)
        self.clip = self.kept // u.shape[1]
        self.counts = u.sum(1)
        self._on = v[self.clip]  # (N, K)
        self._pairs: dict[tuple[int, int], Tensor] = {}

    def pairs(self, stage: int, distance: int) -> Tensor:
        """Packed frames (P,) whose neighbour `distance` later exists in a clip with `stage` (0 to K - 1) on."""
        key = stage, distance
        if key not in self._pairs:
            linked = (self.clip[distance:] == self.clip[:-distance]) & self._on[distance:, stage]
            self._pairs[key] = linked.nonzero().squeeze(1)
        return self._pairs[key]

    def pack(self, clips: Tensor) -> Tensor:
        """(B, T, C, H, W) to the kept frames (N, C, H, W)."""
        return clips.flatten(0, 1)[self.kept]

    def mean(self, frames: Tensor) -> Tensor:
        """Mean over each clip's frames: (N, D) to (B, D); zeros for a clip that keeps none."""
        total = frames.new_zeros(len(self.counts), frames.shape[1]).index_add(0, self.clip, frames)
        return total / self.counts.clamp(min=1).to(frames.dtype)[:, None]


def take_frames(frames: Tensor, index: Tensor) -> Tensor:
    """`frames[index]`, channels last in and out (plain indexing of such a batch loses its layout)."""
    _, channels, height, width = frames.shape
    rows = frames.permute(0, 2, 3, 1).reshape(len(frames), -1).index_select(0, index)
    return rows.view(len(index), height, width, channels).permute(0, 3, 1, 2)


def add_frames(frames: Tensor, index: Tensor, more: Tensor) -> Tensor:
    """`frames` with `more` added at `index`, channels last throughout."""
    count, channels, height, width = frames.shape
    rows = frames.permute(0, 2, 3, 1).reshape(count, -1)
    rows = rows.index_add(0, index, more.permute(0, 2, 3, 1).reshape(len(index), -1))
    return rows.view(count, height, width, channels).permute(0, 3, 1, 2)


class TemporalConv(nn.Module):
    """A convolution over packed frames whose side taps over time follow the stage mask. Without bias.

    Args:
        in_channels, out_channels: as in `nn.Conv3d`.
        kernel: (time, side), both odd.
        stride: spatial.
        stage: the position of its bit in the stage mask; ignored where the kernel's length over time is 1.

    The weight has Conv3d's shape (out, in, time, side, side).
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: tuple[int, int], stride: int, stage: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel[0], kernel[1], kernel[1]))
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        self.stride, self.padding, self.stage = stride, kernel[1] // 2, stage

    def forward(self, frames: Tensor, packing: Packing) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        centre = self.weight.shape[2] // 2
        out = self._tap(frames, centre)
        for distance in range(1, centre + 1):
            earlier = packing.pairs(self.stage, distance)
            if earlier.numel():
                later = earlier + distance
                out = add_frames(out, earlier, self._tap(take_frames(frames, later), centre + distance))
                out = add_frames(out, later, self._tap(take_frames(frames, earlier), centre - distance))
        return out

    def _tap(self, frames: Tensor, tap: int) -> Tensor:
        return F.conv2d(frames, self.weight[:, :, tap], stride=self.stride, padding=self.padding)
