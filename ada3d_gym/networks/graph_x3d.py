"""X3D as a static graph: clips that all keep as many frames, its stages on or off for good."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.networks.channelwise import ChannelwiseConv
from ada3d_gym.networks.folding import fold_norm, folding
from ada3d_gym.networks.masked import TemporalConv
from ada3d_gym.networks.resnet3d import ConvNorm
from ada3d_gym.networks.x3d import Gate, GatedBottleneck, MaskedX3d, ShortcutNorm, Stem


class X3dForm(nn.Module):
    """An X3D as plain 3D convolutions, batch norm folded; see `ada3d_gym.networks.graphs`."""

    @torch.no_grad()
    def __init__(self, network: MaskedX3d, v: Sequence[bool]):
        super().__init__()
        stem, conv5 = network.stem, network.conv5
        assert isinstance(stem, Stem) and isinstance(conv5, ConvNorm)
        blocks = (module for module in network.modules() if isinstance(module, GatedBottleneck))
        with folding(network.head.weight.dtype):
            self.space, self.time = _conv(stem.conv_xy, None, v), _conv(stem.conv, stem.norm, v)
            self.blocks = nn.ModuleList(_Block(block, v) for block in blocks)
            self.conv5 = _conv(conv5.conv, conv5.norm, v)
        self.lin5, self.head = copy.deepcopy(network.lin5), copy.deepcopy(network.head)

    def forward(self, frames: Tensor, batch: int, kept: int) -> Tensor:
        """Logits (B, C) of normalised frames (B * N, 3, H, W)."""
        clips = F.relu(self.time(self.space(frames.unflatten(0, (batch, kept)).transpose(1, 2))))
        for block in self.blocks:
            clips = block(clips)
        means = F.relu(self.conv5(clips)).mean((2, 3, 4))
        logits: Tensor = self.head(F.relu(self.lin5(means)))
        return logits


class _Block(nn.Module):
    def __init__(self, block: GatedBottleneck, v: Sequence[bool]):
        super().__init__()
        self.a, self.b, self.c = (_conv(part.conv, part.norm, v) for part in (block.a, block.b, block.c))
        self.gate: Gate | None = copy.deepcopy(block.gate)
        shortcut = block.shortcut
        self.shortcut = nn.Identity() if shortcut is None else _conv(shortcut.conv, shortcut.norm, v)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, N, H, W) to (B, C', N, H', W')."""
        out = self.b(F.relu(self.a(clips)))
        if self.gate is not None:
            out = out * self.gate(out.mean((2, 3, 4)))[:, :, None, None, None]
        return F.relu(self.c(F.silu(out)) + self.shortcut(clips))


def _conv(conv: TemporalConv, norm: nn.BatchNorm2d | None, v: Sequence[bool]) -> nn.Conv3d:
    """The 3D convolution that a masked one and its norm compute while its stage is on, or off."""
    weight: Tensor = conv.weight
    bias = None
    if norm is not None and not (isinstance(norm, ShortcutNorm) and not norm.used):
        weight, bias = fold_norm(conv, norm)
    length = weight.shape[2]
    if length > 1 and not v[conv.stage]:
        weight, length = weight[:, :, length // 2, None], 1
    groups = len(weight) if isinstance(conv, ChannelwiseConv) else 1
    out, each, _, side, _ = weight.shape
    made = nn.Conv3d(
        each * groups,
        out,
        (length, side, side),
        (1, conv.stride, conv.stride),
        (length // 2, side // 2, side // 2),
        groups=groups,
        bias=bias is not None,
    )
    made.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().clone())
    return made
