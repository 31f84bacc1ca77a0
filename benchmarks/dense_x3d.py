"""X3D as plain 3D convolutions, in inference form or for training, with the masks as arguments."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.networks.resnet3d import ConvNorm
from ada3d_gym.networks.x3d import GatedBottleneck, MaskedX3d, Stem
from benchmarks.dense import DenseConv, DenseNetwork


class DenseX3d(DenseNetwork):
    """A dense network in inference mode with the weights of a masked one, batch norm folded in or not."""

    def __init__(self, network: MaskedX3d, fold: bool = False):
        super().__init__()
        assert isinstance(network.stem, Stem) and isinstance(network.conv5, ConvNorm)
        weight, stride = network.stem.conv_xy.weight, network.stem.conv_xy.stride
        self.space = nn.Conv3d(3, len(weight), (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False)
        self.space.load_state_dict({"weight": weight})
        self.time = DenseConv(network.stem, fold)
        self.blocks = nn.ModuleList(
            _DenseBlock(block, fold) for block in network.modules() if isinstance(block, GatedBottleneck)
        )
        self.conv5 = DenseConv(network.conv5, fold)
        self.lin5, self.head = copy.deepcopy(network.lin5), copy.deepcopy(network.head)

    def forward(self, x: Tensor, on: Tensor | None = None, kept: Tensor | None = None) -> Tensor:
        """Logits (B, C) of clips (B, 3, T, H, W); `on` and `kept` as in `DenseConv`."""
        x = F.relu(self.time(self.space(x), on, kept), inplace=True)
        for block in self.blocks:
            x = block(x, on, kept)
        x = F.relu(self.conv5(x, on, kept), inplace=True)
        logits: Tensor = self.head(F.relu(self.lin5(_clip_means(x, kept))))
        return logits


class _DenseBlock(nn.Module):
    def __init__(self, block: GatedBottleneck, fold: bool):
        super().__init__()
        self.a, self.b, self.c = (DenseConv(conv, fold) for conv in (block.a, block.b, block.c))
        self.gate = copy.deepcopy(block.gate)
        self.shortcut = None if block.shortcut is None else DenseConv(block.shortcut, fold)

    def forward(self, x: Tensor, on: Tensor | None, kept: Tensor | None) -> Tensor:
        out = self.b(F.relu(self.a(x, on, kept), inplace=True), on, kept)
        in_place = not torch.is_grad_enabled()
        if self.gate is not None:
            factors = self.gate(_clip_means(out, kept))[:, :, None, None, None]
            out = out.mul_(factors) if in_place else out * factors
        out = self.c(F.silu(out, inplace=in_place), on, kept)
        out += x if self.shortcut is None else self.shortcut(x, on, kept)
        return F.relu(out, inplace=True)


def _clip_means(x: Tensor, kept: Tensor | None) -> Tensor:
    """(B, C, T, H, W) to (B, C), over the kept frames."""
    if kept is None:
        return x.mean((2, 3, 4))
    return x.mean((3, 4)).sum(2) / kept.sum(1, keepdim=True).clamp(min=1)
