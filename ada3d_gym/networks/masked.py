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

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.networks.macs import MacCounter
from ada3d_gym.networks.packing import Packing as Packing
from ada3d_gym.networks.packing import Segment as Segment
from ada3d_gym.networks.packing import take_frames
from ada3d_gym.networks.spans import span_conv


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
            v: stage masks (B, K) bool. Masks may stay on the CPU where the clips are on a GPU: nothing then waits.
        """

    def with_features(self, clips: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """What describes each clip to what comes after, (B, D), and the logits (B, C); arguments as of `forward`.

        Networks of this package give the input of their last layer, zeros for a clip that keeps no frame. Of others it
        is not known which layer that is: they give the logits twice.
        """
        logits: Tensor = self(clips, u, v)
        return logits, logits


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
