"""Convolutions over time and space in which each channel is by itself, over packed frames."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ada3d_gym.networks.masked import Packing, Segment, TemporalConv, gathered_conv


class ChannelwiseConv(TemporalConv):
    """A `TemporalConv` of channels that do not mix.

    The weight has the shape of a grouped Conv3d's, (C, 1, time, side, side).
    """

    def __init__(self, channels: int, kernel: tuple[int, int], stride: int, stage: int):
        super().__init__(1, channels, kernel, stride, stage)

    def forward(self, frames: Tensor, packing: Packing) -> Tensor:
        """(N, C, H, W) to (N, C, H', W')."""
        length = self.weight.shape[2]
        if length > 1 and len(frames) > 1 and by_segments(frames, self.weight):
            return segments_conv(frames, self.weight, self.stride, packing.segments(self.stage))
        return gathered_conv(self._tap, frames, packing, self.stage, length)

    def _tap(self, frames: Tensor, tap: int) -> Tensor:
        weight = self.weight[:, :, tap]
        if weight.shape[-1] == self.stride == 1:
            return frames * weight[:, 0]
        return channelwise_tap(frames, weight, None, self.stride)


def by_segments(frames: Tensor, weight: Tensor) -> bool:
    """Whether one 3D convolution for each run of clips is faster than one for each tap over copies of frames.

    On a CPU it is, where PyTorch takes oneDNN's: not for a single pixel on a single thread.
    """
    return frames.is_cpu and (weight.shape[-1] > 1 or torch.get_num_threads() > 1)


def segments_conv(frames: Tensor, weight: Tensor, stride: int, segments: list[Segment]) -> Tensor:
    """A convolution of all segments, (N, C, H', W'); arguments as of `segment_of`."""
    parts = [segment_of(frames, segment, weight, None, stride) for segment in segments]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def segment_of(frames: Tensor, segment: Segment, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """The convolution of one segment; the centre tap where its frames are by themselves.

    Args:
        frames: (N, C, H, W), channels last.
        segment: as `Packing.segments` gives them.
        weight: (C, 1, t, k, k).
        bias: (C,) or None.
        stride: spatial.

    Returns:
        (n, C, H', W') of the segment's n frames.
    """
    part = frames[segment.start : segment.stop]
    groups, _, length, side, _ = weight.shape
    if segment.length == 1:
        return channelwise_tap(part, weight[:, :, length // 2], bias, stride)
    clips = part.unflatten(0, (-1, segment.length)).transpose(1, 2)  # (clips, C, frames, H, W)
    padding = (length // 2, side // 2, side // 2)
    return F.conv3d(clips, weight, bias, (1, stride, stride), padding, groups=groups).transpose(1, 2).flatten(0, 1)


def channelwise_tap(frames: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """A convolution over space alone, of a kernel (C, 1, k, k)."""
    return F.conv2d(frames, weight, bias, stride, weight.shape[-1] // 2, groups=len(weight))
