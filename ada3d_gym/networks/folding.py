"""Batch norm folded into the convolution before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ada3d_gym.networks.masked import TemporalConv


def fold_norm(conv: nn.Conv2d | TemporalConv, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight w g and bias b - m g of a convolution and the batch norm behind it, where g = gamma / sqrt(var + eps)."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = conv.weight * scale.view(-1, *(1,) * (conv.weight.dim() - 1))
    return weight, norm.bias - norm.running_mean * scale
