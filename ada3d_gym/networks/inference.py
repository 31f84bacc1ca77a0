"""The inference form of a network: the same numbers from fewer and faster steps.

Batch norm is folded into the convolutions. On a CPU, each convolution's weight is brought into oneDNN's own layout
once, and adds its output onto a tensor in place, so that a side tap, a residual sum and a ReLU take no pass over memory
of their own (the operators that `torch.compile` ends up with, without compiling for each number of frames).
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.networks.masked import MaskedNetwork, Packing, gathered_conv, is_large, segment_conv
from ada3d_gym.networks.resnet3d import Bottleneck, ConvNorm, MaskedResNet3d
from ada3d_gym.networks.spans import side_taps


@torch.no_grad()
def inference_form(network: MaskedNetwork, dtype: torch.dtype = torch.float32) -> MaskedNetwork:
    """A copy that computes the same as the network in inference mode; not for training or saving.

    Args:
        network: any; it stays as it is, and later changes to it do not reach the copy. A network that is not of this
            package's own family is copied as it is.
        dtype: of weights and activations.
    """
    folded: dict[int, nn.Module] = {}  # deepcopy takes these for the modules' copies
    if isinstance(network, MaskedResNet3d):
        assert isinstance(network.stem, ConvNorm)
        folded[id(network.stem)] = _FoldedConv(network.stem)
        folded |= {id(block): _FoldedBottleneck(block) for block in network.modules() if isinstance(block, Bottleneck)}
    return copy.deepcopy(network, folded).eval().requires_grad_(False).to(dtype)


class _Conv2d(nn.Module):
    """A 2D convolution that can end in a ReLU, and can add onto a tensor in place."""

    __call__: Callable[..., Tensor]

    def __init__(self, weight: Tensor, bias: Tensor | None, stride: int):
        super().__init__()
        self.weight = nn.Buffer(weight.contiguous(memory_format=torch.channels_last))
        self.bias = None if bias is None else nn.Buffer(bias)
        self.stride, self.padding = stride, weight.shape[-1] // 2
        self._calls = 0
        self._packed: tuple[torch.dtype, Tensor] | None = None

    def forward(self, frames: Tensor, relu: bool = False) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        if _has_onednn(frames):
            out: Tensor = torch.ops.mkldnn._convolution_pointwise(
                frames, self._weight_for(frames), *self._arguments(), "relu" if relu else "none", [], ""
            )
            return out
        out = F.conv2d(frames, self.weight, self.bias, self.stride, self.padding)
        return out.relu_() if relu else out

    def add_to(self, out: Tensor, frames: Tensor, relu: bool = False) -> None:
        """`out` (N, C', H', W'), channels last, becomes out + conv(frames), or the ReLU of that."""
        if _has_onednn(frames):
            unary = "relu" if relu else None
            torch.ops.mkldnn._convolution_pointwise_.binary(
                out, frames, self._weight_for(frames), *self._arguments(), "add", 1.0, unary, [], ""
            )
        else:
            out.add_(F.conv2d(frames, self.weight, self.bias, self.stride, self.padding))
            if relu:
                out.relu_()

    def _arguments(self) -> tuple[Tensor | None, list[int], list[int], list[int], int]:
        return self.bias, [self.padding] * 2, [self.stride] * 2, [1, 1], 1

    def _weight_for(self, frames: Tensor) -> Tensor:
        """The weight in oneDNN's layout, made at the second call, for the size of its frames (any other works too)."""
        self._calls += 1
        if self._calls == 1:  # while the network is being trained, a form is often used once
            return self.weight
        if self._packed is None or self._packed[0] != self.weight.dtype:
            _, padding, stride, dilation, groups = self._arguments()
            dense = self.weight.contiguous().to_mkldnn()
            reorder = torch.ops.aten.mkldnn_reorder_conv2d_weight
            packed = reorder(dense, padding, stride, dilation, groups, list(frames.shape))
            self._packed = self.weight.dtype, packed
        return self._packed[1]


def _has_onednn(frames: Tensor) -> bool:
    return frames.is_cpu and frames.dtype in (torch.float32, torch.bfloat16) and _ONEDNN


_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


class _FoldedConv(nn.Module):
    """A `ConvNorm` with weight w g and bias b - m g, where g = gamma / sqrt(var + eps)."""

    def __init__(self, conv_norm: ConvNorm):
        super().__init__()
        conv, norm = conv_norm.conv, conv_norm.norm
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        self.weight = nn.Buffer(conv.weight * scale.view(-1, 1, 1, 1, 1))
        self.bias = nn.Buffer(norm.bias - norm.running_mean * scale)
        self.stride, self.stage = conv.stride, conv.stage
        centre = self.weight.shape[2] // 2
        taps = enumerate(self.weight.unbind(2))
        self.taps = nn.ModuleList(_Conv2d(tap, self.bias if at == centre else None, conv.stride) for at, tap in taps)

    def forward(self, frames: Tensor, packing: Packing, relu: bool = False) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        length, side = self.weight.shape[2:4]
        centre = self.tap(length // 2)
        if length == 1 or len(frames) < 2:
            return centre(frames, relu)
        if side > 1 and is_large(frames):
            out = segment_conv(frames, self.weight, self.bias, self.stride, packing.segments(self.stage))
            return out.relu_() if relu else out
        if side > 1 or not is_large(frames) or not frames.is_cpu:
            out = gathered_conv(lambda part, tap: self.tap(tap)(part), frames, packing, self.stage, length)
            return out.relu_() if relu else out
        spans = packing.spans(self.stage)
        out = centre(frames, relu and not spans)
        for tap, to, source in side_taps(length, spans):
            self.tap(tap).add_to(out[to], frames[source])
        return out.relu_() if relu and spans else out

    def tap(self, index: int) -> _Conv2d:
        """The 2D convolution of one moment of the kernel."""
        tap = self.taps[index]
        assert isinstance(tap, _Conv2d)
        return tap


class _FoldedBottleneck(nn.Module):
    def __init__(self, block: Bottleneck):
        super().__init__()
        self.a, self.b, self.c = _FoldedConv(block.a), _FoldedConv(block.b), _FoldedConv(block.c)
        self.shortcut = None if block.shortcut is None else _FoldedConv(block.shortcut)

    def forward(self, frames: Tensor, packing: Packing) -> Tensor:
        """(N, C, H, W) to (N, C', H', W'); without a shortcut the sum replaces the input."""
        out = self.b(self.a(frames, packing, relu=True), packing, relu=True)
        total: Tensor = frames if self.shortcut is None else self.shortcut(frames, packing)
        self.c.tap(0).add_to(total, out, relu=True)
        return total
