"""The same network as plain 3D convolutions, and the ways in which others make it obey masks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ada3d_gym.networks.channelwise import ChannelwiseConv
from ada3d_gym.networks.resnet3d import Bottleneck, ConvNorm, MaskedResNet3d
from ada3d_gym.networks.x3d import Stem


class DenseConv(nn.Module):
    """`nn.Conv3d` and batch norm, folded together or not, with the stage bits as an argument."""

    def __init__(self, masked: ConvNorm | Stem, fold: bool):
        super().__init__()
        conv = masked.conv
        out, channels, length, side, _ = conv.weight.shape
        groups = out if isinstance(conv, ChannelwiseConv) else 1
        self.conv = nn.Conv3d(
            channels * groups,
            out,
            (length, side, side),
            stride=(1, conv.stride, conv.stride),
            padding=(length // 2, side // 2, side // 2),
            groups=groups,
            bias=False,
        )
        self.conv.load_state_dict(conv.state_dict())
        norm = nn.BatchNorm3d(out)
        norm.load_state_dict(masked.norm.state_dict(), strict=False)  # an X3D's may say that it is used
        self.norm: nn.Module = norm.eval()
        if fold:
            self.conv, self.norm = fuse_conv_bn_eval(self.conv.eval(), norm), nn.Identity()
        self.stage = conv.stage if length > 1 else None

    def forward(self, x: Tensor, on: Tensor | None, kept: Tensor | None) -> Tensor:
        """(B, C, T, H, W) to (B, C', T, H', W').

        Args:
            on: stage bits (B, K), or (K,) where all clips agree; None for all on.
            kept: (B, T) where kept frames come first and the rest must stay zero; None for every frame.
        """
        if self.stage is None or on is None:
            return self._normed(self.conv(x), kept)
        bits = on[..., self.stage]
        if bits.all():
            return self._normed(self.conv(x), kept)
        centre = self.conv.weight.shape[2] // 2
        weight = self.conv.weight[:, :, centre : centre + 1]
        padding = (0, *self.conv.padding[1:])
        flat = F.conv3d(x, weight, self.conv.bias, self.conv.stride, padding, groups=self.conv.groups)
        if bits.any():
            flat = torch.where(bits.view(-1, 1, 1, 1, 1), self.conv(x), flat)
        return self._normed(flat, kept)

    def _normed(self, x: Tensor, kept: Tensor | None) -> Tensor:
        x = self.norm(x)  # (B, C', T, H', W')
        return x if kept is None else x * kept[:, None, :, None, None]


class DenseNetwork(nn.Module):
    head: nn.Linear


class DenseResNet3d(DenseNetwork):
    """A dense network in inference mode with the weights of a masked one, batch norm folded in or not."""

    def __init__(self, network: MaskedResNet3d, fold: bool = False):
        super().__init__()
        assert isinstance(network.stem, ConvNorm)
        self.stem = DenseConv(network.stem, fold)
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.blocks = nn.ModuleList()
        for block in network.modules():
            if isinstance(block, Bottleneck):
                parts = block.named_children()
                convs = {name: DenseConv(conv, fold) for name, conv in parts if isinstance(conv, ConvNorm)}
                self.blocks.append(nn.ModuleDict(convs))
        self.head = nn.Linear(network.head.in_features, network.head.out_features)
        self.head.load_state_dict(network.head.state_dict())

    def forward(self, x: Tensor, on: Tensor | None = None, kept: Tensor | None = None) -> Tensor:
        """Logits (B, C) of clips (B, 3, T, H, W); `on` and `kept` as in `DenseConv`."""
        x = self.pool(F.relu(self.stem(x, on, kept), inplace=True))
        for block in self.blocks:
            assert isinstance(block, nn.ModuleDict)
            out = F.relu(block["a"](x, on, kept), inplace=True)
            out = F.relu(block["b"](out, on, kept), inplace=True)
            out = block["c"](out, on, kept)
            out += block["shortcut"](x, on, kept) if "shortcut" in block else x
            x = F.relu(out, inplace=True)
        counts = x.shape[2] if kept is None else kept.sum(1, keepdim=True).clamp(min=1)
        features = x.mean((3, 4)).sum(2) / counts
        logits: Tensor = self.head(features)
        return logits


def kept_first(x: Tensor, u: Tensor) -> Tensor:
    """Clips (B, 3, T, H, W) with the kept frames moved to the front and zeros after them."""
    order = u.logical_not().long().argsort(dim=1, stable=True)
    moved = torch.stack([clip[:, index] for clip, index in zip(x, order, strict=True)])
    return moved * _leading(u)[:, None, :, None, None]


def _leading(u: Tensor) -> Tensor:
    return torch.arange(u.shape[1], device=u.device) < u.sum(1, keepdim=True)


def mask_after(dense: DenseNetwork, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Everything is computed for every frame, then masked away."""
    logits: Tensor = dense(kept_first(x, u), v, _leading(u))
    return logits


def group_by_mask(dense: DenseNetwork, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """One dense pass for each number of frames and stage mask in the batch (fewer groups than whole masks make)."""
    keys = torch.cat([u.sum(1, keepdim=True), v], 1)
    groups, member = keys.unique(dim=0, return_inverse=True)
    logits = x.new_empty(len(x), dense.head.out_features)
    moved = kept_first(x, u)
    for group, key in enumerate(groups):
        clips = member == group
        logits[clips] = dense(_like(moved[clips][:, :, : key[0]], x), key[1:].bool())
    return logits


def one_by_one(dense: DenseNetwork, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Batches of one clip."""
    clips = zip(x, u, v, strict=True)
    return torch.cat([dense(_like(clip[None, :, kept], x), on) for clip, kept, on in clips])


def _like(x: Tensor, other: Tensor) -> Tensor:
    last = other.is_contiguous(memory_format=torch.channels_last_3d)
    return x.contiguous(memory_format=torch.channels_last_3d if last else torch.contiguous_format)
