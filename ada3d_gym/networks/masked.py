"""Ragged execution: clips with different masks in one batch, computing only what each clip keeps.

The kept frames of all clips are packed into one (N, C, H, W) batch. In the networks here only the first convolution of
a stage's blocks looks across time, so everything else is a plain 2D convolution over N frames. A temporal convolution
is its centre tap over all N frames plus, where a clip has the stage on and the neighbour exists, its side taps. That is
exact, and no clip waits for another's mask. The neighbours of a kept frame are the neighbouring kept frames, the
paper's V'.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.errors import InputError
from ada3d_gym.networks.macs import MacCounter
from ada3d_gym.networks.spans import Span, span_conv


class MaskedNetwork(nn.Module, ABC):
    """A video network that computes, of each clip, only what its masks keep.

    Attributes:
        recompute: in training, compute what is inside a block anew in the backward pass instead of keeping it, where
            the network knows how; see `ada3d_gym.networks.recomputing`.
    """

    recompute: bool = False

    @property
    @abstractmethod
    def stage_names(self) -> tuple[str, ...]:
        """The K stages that have temporal convolutions, in the order of the stage mask."""

    @property
    @abstractmethod
    def classes(self) -> int:
        """C, the number of logits."""

    @property
    def num_stages(self) -> int:
        """K, the length of the stage mask."""
        return len(self.stage_names)

    @property
    def features(self) -> int:
        """D, the width of what `with_features` describes a clip by."""
        return self.classes

    @abstractmethod
    def count(self, size: int) -> MacCounter:
        """The MACs of clips of `size` by `size` pixels."""

    def largest_map(self, size: int) -> int:
        """Values of a frame of `size` pixels in the largest feature map; 0 where that is not known."""
        return 0

    @abstractmethod
    def forward(self, clips: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Logits (B, C).

        Args:
            clips: (B, T, 3, H, W), normalised, or uint8 (then normalised here, the kept frames alone); or those frames
                alone, packed clip by clip, (N, 3, H, W).
            u: frame masks (B, T) bool. A clip that keeps no frame gets zeros for features.
            v: stage masks (B, K) bool.
        """

    def with_features(self, clips: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """What describes each clip to what comes after, (B, D), and the logits (B, C); arguments as of `forward`.

        Networks of this package give the input of their last layer, zeros for a clip that keeps no frame. Of others it
        is not known which layer that is: they give the logits twice.
        """
        logits: Tensor = self(clips, u, v)
        return logits, logits


class Segment(NamedTuple):
    """Packed frames start to stop: clips of `length` frames each, or frames by themselves where it is 1."""

    start: int
    stop: int
    length: int


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
        self._v = v
        self._pairs: dict[tuple[int, int], Tensor] = {}
        self._lengths: list[list[int]] | None = None

    def pairs(self, stage: int, distance: int) -> Tensor:
        """Packed frames (P,) whose neighbour `distance` later exists in a clip with `stage` (0 to K - 1) on."""
        key = stage, distance
        if key not in self._pairs:
            on = self._v[self.clip[distance:], stage]
            linked = (self.clip[distance:] == self.clip[:-distance]) & on
            self._pairs[key] = linked.nonzero().squeeze(1)
        return self._pairs[key]

    def segments(self, stage: int) -> list[Segment]:
        """All packed frames in order, cut where the number of frames that a stage looks at together changes."""
        if self._lengths is None:
            counts = self.counts[:, None]
            together = torch.where(self._v & (counts > 1), counts, 1)
            self._lengths = torch.cat([counts, together], 1).T.tolist()
        segments, start = [], 0
        for length, clips in groupby(zip(*self._lengths[:: stage + 1][:2], strict=True), lambda clip: clip[1]):
            stop = start + sum(count for count, _ in clips)
            if stop > start:
                segments.append(Segment(start, stop, length))
            start = stop
        return segments

    def spans(self, stage: int) -> list[Span]:
        """(start, stop) in the packed frames of each clip that has `stage` on and keeps two frames or more."""
        return [
            (start, start + segment.length)
            for segment in self.segments(stage)
            if segment.length > 1
            for start in range(segment.start, segment.stop, segment.length)
        ]

    def pack(self, clips: Tensor) -> Tensor:
        """(B, T, C, H, W) to the kept frames (N, C, H, W), which are taken as they are where they come packed."""
        if clips.dim() == 5:
            return clips.flatten(0, 1)[self.kept]
        if len(clips) != len(self.kept):
            raise InputError(f"got {len(clips)} packed frames, and the masks keep {len(self.kept)}")
        return clips

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
    """Adds `more` to `frames` at `index`, in place where `frames` is channels last; returns the sum, channels last."""
    count, channels, height, width = frames.shape
    rows = frames.permute(0, 2, 3, 1).reshape(count, -1)
    rows.index_add_(0, index, more.permute(0, 2, 3, 1).reshape(len(index), -1))
    return rows.view(count, height, width, channels).permute(0, 3, 1, 2)


def is_large(frames: Tensor) -> bool:
    """Whether a call for each clip costs less than copies of frames do."""
    return frames[0].numel() >= LARGE_FRAME


LARGE_FRAME = 32_768  # values


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
        length, side = self.weight.shape[2:4]
        if length > 1 and len(frames) > 1 and is_large(frames):
            if side > 1:
                return segment_conv(frames, self.weight, None, self.stride, packing.segments(self.stage))
            if frames.is_cpu:  # a GPU copies faster than it is called
                return span_conv(frames, self.weight[..., 0, 0], packing.spans(self.stage))
        return gathered_conv(self._tap, frames, packing, self.stage, length)

    def _tap(self, frames: Tensor, tap: int) -> Tensor:
        return F.conv2d(frames, self.weight[:, :, tap], stride=self.stride, padding=self.padding)


def zero_side_taps(module: nn.Module) -> None:
    """Leaves temporal convolutions their centre taps, so that they start as the 2D network they are inflated from."""
    for part in module.modules():
        if isinstance(part, TemporalConv):
            centre = part.weight.shape[2] // 2
            with torch.no_grad():
                part.weight[:, :, :centre] = 0
                part.weight[:, :, centre + 1 :] = 0


def gathered_conv(
    tap: Callable[[Tensor, int], Tensor], frames: Tensor, packing: Packing, stage: int, length: int, dilation: int = 1
) -> Tensor:
    """The centre tap over all frames, and each side tap on copies of the frames that have the neighbour.

    Args:
        tap: (frames (P, C, H, W), position in the kernel) to that tap's convolution of them, (P, C', H', W').
        frames: (N, C, H, W), channels last.
        packing: of the frames.
        stage: the position of the convolution's bit in the stage mask.
        length, dilation: of the kernel over time.
    """
    centre = length // 2
    out = tap(frames, centre)
    for step in range(1, centre + 1):
        distance = step * dilation
        earlier = packing.pairs(stage, distance)
        if earlier.numel():
            later = earlier + distance
            out = add_frames(out, earlier, tap(take_frames(frames, later), centre + step))
            out = add_frames(out, later, tap(take_frames(frames, earlier), centre - step))
    return out


def segment_conv(frames: Tensor, weight: Tensor, bias: Tensor | None, stride: int, segments: list[Segment]) -> Tensor:
    """A 3D convolution for each segment of clips of one length; its centre tap where frames are by themselves.

    For stems: with three channels, one convolution over time and space is much faster than one for each tap.

    Args:
        frames: (N, C, H, W), channels last.
        weight: (C', C, t, k, k).
        bias: (C',) or None.
        stride: spatial.
        segments: as `Packing.segments` gives them.
    """
    length, side = weight.shape[2:4]
    parts = []
    for segment in segments:
        part = frames[segment.start : segment.stop]
        if segment.length == 1:
            parts.append(F.conv2d(part, weight[:, :, length // 2], bias, stride, side // 2))
        else:
            clips = part.unflatten(0, (-1, segment.length)).transpose(1, 2)  # (clips, C, frames, H, W)
            padding = (length // 2, side // 2, side // 2)
            parts.append(F.conv3d(clips, weight, bias, (1, stride, stride), padding).transpose(1, 2).flatten(0, 1))
    return parts[0] if len(parts) == 1 else torch.cat(parts)
