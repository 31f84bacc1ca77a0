"""The inference form of a network: the same numbers from fewer and faster steps.

Batch norm is folded into the convolutions. On a CPU, each convolution's weight is brought into oneDNN's own layout
once, and adds its output onto a tensor in place, so that a side tap, a residual sum and a ReLU take no pass over memory
of their own (the operators that `torch.compile` ends up with, without compiling for each number of frames).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from ada3d_gym.networks.folding import Folds, fold_norm, folding, own_copy
from ada3d_gym.networks.fused import Activation, FusedConv2d
from ada3d_gym.networks.inference_x3d import folded_parts
from ada3d_gym.networks.masked import Packing, gathered_conv, is_large, segment_conv
from ada3d_gym.networks.mobilenet import MobileNet
from ada3d_gym.networks.pixels import Pixels
from ada3d_gym.networks.resnet3d import Bottleneck, ConvNorm, MaskedResNet3d
from ada3d_gym.networks.spans import side_taps
from ada3d_gym.networks.x3d import MaskedX3d

if TYPE_CHECKING:
    from torchvision.models.mobilenetv2 import InvertedResidual

Network = TypeVar("Network", bound=nn.Module)


def inference_form(network: Network, dtype: torch.dtype = torch.float32) -> Network:
    """A copy that computes the same as the network in inference mode; not for training or saving.

    Args:
        network: any; it stays as it is, and later changes to it do not reach the copy. A classifier of this package's
            own families and the MobileNetV2 of a selection network are folded; anything else is copied as it is.
        dtype: of weights and activations.
    """
    return refreshable_form(network, dtype)[0]


@torch.inference_mode(False)  # tensors made in it could not be filled anew outside of it
@torch.no_grad()
def refreshable_form(network: Network, dtype: torch.dtype) -> tuple[Network, Folds | None]:
    """The same, and what brings it up to date in the memory that it has; None where only another form does that."""
    folded: dict[int, nn.Module] = {}  # deepcopy takes these for the modules' copies
    with folding(dtype) as folds:
        if isinstance(network, MaskedX3d):
            folded |= folded_parts(network)
        if isinstance(network, MaskedResNet3d):
            assert isinstance(network.stem, ConvNorm)
            folded[id(network.stem)] = FoldedConv(network.stem)
        for module in network.modules():
            if isinstance(network, MaskedResNet3d) and isinstance(module, Bottleneck):
                folded[id(module)] = FoldedBottleneck(module)
            elif isinstance(module, MobileNet):
                folded[id(module)] = _folded_mobilenet(module)
    form = copy.deepcopy(network, folded).eval().requires_grad_(False)
    for module in form.modules():
        if isinstance(module, Pixels):
            module.shown_as = dtype
        else:
            module._apply(lambda values: values.to(dtype) if values.is_floating_point() else values, recurse=False)
    if isinstance(form, MaskedX3d):
        form.in_passes = True
    return form, folds if folds.cover(form, network) else None


class FoldedConv(nn.Module):
    """A `ConvNorm` as one convolution."""

    def __init__(self, conv_norm: ConvNorm):
        super().__init__()
        conv = conv_norm.conv
        weight, bias = fold_norm(conv, conv_norm.norm)
        self.weight, self.bias = nn.Buffer(weight), nn.Buffer(bias)
        self.stride, self.stage = conv.stride, conv.stage
        length, side = weight.shape[2:4]
        whole = length > 1 and side > 1  # taps that see more than a pixel; large frames take one 3D convolution
        self.volume = nn.Buffer(own_copy(weight, torch.channels_last_3d)) if whole else None
        taps = enumerate(weight.unbind(2))
        self.taps = nn.ModuleList(
            FusedConv2d(tap, self.bias if at == length // 2 else None, conv.stride) for at, tap in taps
        )

    def forward(self, frames: Tensor, packing: Packing, relu: bool = False) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        length = self.weight.shape[2]
        centre = self.tap(length // 2)
        if length == 1 or len(frames) < 2:
            return centre(frames, "relu" if relu else "none")
        if self.volume is not None and is_large(frames):
            out = segment_conv(frames, self.volume, self.bias, self.stride, packing.segments(self.stage))
            return out.relu_() if relu else out
        if self.volume is not None or not is_large(frames) or not frames.is_cpu or torch.compiler.is_compiling():
            out = gathered_conv(lambda part, tap: self.tap(tap)(part), frames, packing, self.stage, length)
            return out.relu_() if relu else out
        spans = packing.spans(self.stage)
        out = centre(frames, "relu" if relu and not spans else "none")
        for tap, to, source in side_taps(length, spans):
            self.tap(tap).add_to(out[to], frames[source])
        return out.relu_() if relu and spans else out

    def tap(self, index: int) -> FusedConv2d:
        """The 2D convolution of one moment of the kernel."""
        tap = self.taps[index]
        assert isinstance(tap, FusedConv2d)
        return tap


class FoldedBottleneck(nn.Module):
    def __init__(self, block: Bottleneck):
        super().__init__()
        self.a, self.b, self.c = FoldedConv(block.a), FoldedConv(block.b), FoldedConv(block.c)
        self.shortcut = None if block.shortcut is None else FoldedConv(block.shortcut)

    def forward(self, frames: Tensor, packing: Packing) -> Tensor:
        """(N, C, H, W) to (N, C', H', W'); without a shortcut the sum replaces the input."""
        out = self.b(self.a(frames, packing, relu=True), packing, relu=True)
        total: Tensor = frames if self.shortcut is None else self.shortcut(frames, packing)
        self.c.tap(0).add_to(total, out, "relu")
        return total


def _folded_mobilenet(network: MobileNet) -> nn.Sequential:
    from torchvision.models.mobilenetv2 import InvertedResidual

    blocks = (_FoldedResidual(block) if isinstance(block, InvertedResidual) else _clipped(block) for block in network)
    return nn.Sequential(*blocks)


def _clipped(conv_norm: nn.Module) -> FusedConv2d:
    """Of torchvision's convolution, batch norm and ReLU6."""
    conv, norm, _ = conv_norm.children()
    return _fused(conv, norm, "relu6")


def _fused(conv: nn.Module, norm: nn.Module, activation: Activation) -> FusedConv2d:
    assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    return FusedConv2d(*fold_norm(conv, norm), conv.stride[0], conv.groups, activation)


class _FoldedResidual(nn.Module):
    """An inverted residual block."""

    def __init__(self, block: InvertedResidual):
        super().__init__()
        *before, conv, norm = block.conv
        self.before = nn.Sequential(*map(_clipped, before))
        self.last = _fused(conv, norm, "none")
        self.adds = block.use_res_connect

    def forward(self, frames: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W'); a sum replaces the input."""
        out = self.before(frames)
        if not self.adds:
            return self.last(out)
        self.last.add_to(frames, out)
        return frames
