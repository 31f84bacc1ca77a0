"""The inference form of X3D: batch norm folded, swish and gates in place, one 3D convolution for each run of clips."""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ada3d_gym.networks.channelwise import ChannelwiseConv, channelwise_tap, segment_of
from ada3d_gym.networks.folding import fold_norm, own_copy
from ada3d_gym.networks.fused import ONEDNN, FusedConv2d, KeepsPacked
from ada3d_gym.networks.masked import Packing, Segment, gathered_conv
from ada3d_gym.networks.resnet3d import ConvNorm
from ada3d_gym.networks.x3d import Gate, GatedBottleneck, MaskedX3d, ShortcutNorm, Stem


def folded_parts(network: MaskedX3d) -> dict[int, nn.Module]:
    """What stands in the place of a network's parts in inference, by their ids."""
    assert isinstance(network.stem, Stem) and isinstance(network.conv5, ConvNorm)
    parts: dict[int, nn.Module] = {id(network.stem): FoldedStem(network.stem), id(network.conv5): _Last(network.conv5)}
    for module in network.modules():
        if isinstance(module, GatedBottleneck):
            parts[id(module)] = FoldedGatedBottleneck(module)
    return parts


class FoldedChannelwise(KeepsPacked):
    """A `ChannelwiseConv` and the batch norm behind it."""

    def __init__(self, conv: ChannelwiseConv, norm: nn.BatchNorm2d):
        super().__init__()
        weight, bias = fold_norm(conv, norm)
        self.weight, self.bias = nn.Buffer(weight), nn.Buffer(bias)
        self.stride, self.stage = conv.stride, conv.stage
        self.flat = FusedConv2d(weight[:, :, weight.shape[2] // 2], bias, conv.stride, len(weight))  # the centre tap

    def parts(self, frames: Tensor, packing: Packing) -> list[Tensor]:
        """(N, C, H, W) to outputs (n, C, H', W') that follow each other in the packed batch, N frames in all."""
        length = self.weight.shape[2]
        if len(frames) < 2 or length == 1:
            return [self.flat(frames)]
        if by_runs(frames):
            return [self._segment(frames, segment) for segment in packing.segments(self.stage)]
        out = gathered_conv(self._tap, frames, packing, self.stage, length)
        return [out]

    def _tap(self, frames: Tensor, tap: int) -> Tensor:
        if tap == self.weight.shape[2] // 2:
            return self.flat(frames)
        return channelwise_tap(frames, self.weight[:, :, tap], None, self.stride)

    def _segment(self, frames: Tensor, segment: Segment) -> Tensor:
        part = frames[segment.start : segment.stop]
        if segment.length == 1:
            return self.flat(part)
        if not (ONEDNN and frames.dtype in (torch.float32, torch.bfloat16)):
            return segment_of(frames, segment, self.weight, self.bias, self.stride)
        clips = part.unflatten(0, (-1, segment.length)).transpose(1, 2)
        out: Tensor = torch.ops.mkldnn._convolution_pointwise(
            clips, self._weight_for(clips), self.bias, *self._arguments(), "none", [], ""
        )
        return out.transpose(1, 2).flatten(0, 1)

    def _arguments(self) -> tuple[Any, ...]:
        """Padding, stride, dilation and groups, as oneDNN's operators take them."""
        length, side = self.weight.shape[2:4]
        return [length // 2, side // 2, side // 2], [1, self.stride, self.stride], [1, 1, 1], len(self.weight)

    def _weight_for(self, clips: Tensor) -> Tensor:
        if self._packed is None or self._packed[0] != self.weight.dtype:
            dense = self.weight.contiguous().to_mkldnn()
            packed = torch.ops.aten.mkldnn_reorder_conv3d_weight(dense, *self._arguments(), list(clips.shape))
            self._packed = self.weight.dtype, packed
        return self._packed[1]


def by_runs(frames: Tensor) -> bool:
    """Whether a 3D convolution for each run of clips is faster than copies of frames and 2D ones."""
    return frames.is_cpu and not torch.compiler.is_compiling()  # which would make code for each number of runs


def activated(parts: list[Tensor], activation: Literal["relu", "swish"], factors: Tensor | None = None) -> Tensor:
    """The activation of parts that follow each other, in one tensor (N, C, H, W), channels last.

    Args:
        parts: (n, C, H, W) each, channels last; used up.
        activation: what is applied.
        factors: (N, C) that channels of each frame are scaled by before.
    """
    count, (channels, height, width) = sum(map(len, parts)), parts[0].shape[1:]
    out = parts[0]
    if len(parts) > 1:  # each goes to its place on the way
        out = out.new_empty(count, height, width, channels).permute(0, 3, 1, 2)
    act = torch.ops.aten.silu.out if activation == "swish" else _relu
    start = 0
    for part in parts:
        stop = start + len(part)
        if factors is not None:
            part.mul_(factors[start:stop, :, None, None])
        act(part, out=out[start:stop])
        start = stop
    return out


def _relu(part: Tensor, *, out: Tensor) -> Tensor:
    return torch.clamp_min(part, 0, out=out)


class FoldedStem(nn.Module):
    def __init__(self, stem: Stem):
        super().__init__()
        self.space = FusedConv2d(own_copy(stem.conv_xy.weight[:, :, 0], torch.channels_last), None, stem.conv_xy.stride)
        self.time = FoldedChannelwise(stem.conv, stem.norm)

    def forward(self, frames: Tensor, packing: Packing) -> Tensor:
        """(N, 3, H, W) to (N, C, H', W')."""
        return activated(self.time.parts(self.space(frames), packing), "relu")


class FoldedGatedBottleneck(nn.Module):
    def __init__(self, block: GatedBottleneck):
        super().__init__()
        assert isinstance(block.b.conv, ChannelwiseConv)
        self.a, self.c = _pointwise(block.a), _pointwise(block.c)
        self.b = FoldedChannelwise(block.b.conv, block.b.norm)
        self.gate: Gate | None = copy.deepcopy(block.gate)
        self.shortcut = None if block.shortcut is None else _pointwise(block.shortcut)

    def forward(self, frames: Tensor, packing: Packing) -> Tensor:
        """(N, C, H, W) to (N, C', H', W'); without a shortcut the sum replaces the input."""
        parts = self.b.parts(self.a(frames, "relu"), packing)
        factors = None
        if self.gate is not None:
            factors = self.gate(packing.mean(torch.cat([spatial_means(part) for part in parts])))
            factors = factors.index_select(0, packing.clip)
        out = activated(parts, "swish", factors)
        total: Tensor = frames if self.shortcut is None else self.shortcut(frames)
        self.c.add_to(total, out, "relu")
        return total


class _Last(nn.Module):
    def __init__(self, conv5: ConvNorm):
        super().__init__()
        self.conv = _pointwise(conv5)

    def forward(self, frames: Tensor, packing: Packing) -> Tensor:
        return self.conv(frames)


def spatial_means(frames: Tensor) -> Tensor:
    """(N, C, H, W), channels last, to (N, C)."""
    return frames.permute(0, 2, 3, 1).flatten(1, 2).mean(1)


def _pointwise(conv_norm: ConvNorm) -> FusedConv2d:
    conv, norm = conv_norm.conv, conv_norm.norm
    if isinstance(norm, ShortcutNorm) and not norm.used:
        return FusedConv2d(own_copy(conv.weight[:, :, 0], torch.channels_last), None, conv.stride)
    weight, bias = fold_norm(conv, norm)
    return FusedConv2d(weight[:, :, 0], bias, conv.stride)
