"""A 2D convolution for inference: its bias, activation and a sum in one step, its weight in oneDNN's own layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SMALL = 2**16  # values in and out up to which a call of oneDNN takes longer than all of a 1 x 1 convolution's product

Activation = Literal["none", "relu", "relu6"]

_ONEDNN_NAMES: dict[Activation, tuple[str, list[float]]] = {
    "none": ("none", []),
    "relu": ("relu", []),
    "relu6": ("hardtanh", [0.0, 6.0]),
}


class KeepsPacked(nn.Module):
    """What keeps a weight in oneDNN's own layout beside the weight itself."""

    _packed: tuple[torch.dtype, Tensor] | None = None

    def forget_packed(self) -> None:
        """To be called where the weight has been given other values."""
        self._packed = None


class FusedConv2d(KeepsPacked):
    """A 2D convolution that can end in an activation, and can add onto a tensor in place.

    Args:
        weight: (C', C / groups, k, k).
        bias: (C',), or None.
        stride: of the convolution. Padding, (k - 1) // 2, keeps the size at stride 1 where k is odd.
        groups: of channels.
        activation: that it ends in, where a call names no other.
    """

    __call__: Callable[..., Tensor]

    def __init__(
        self, weight: Tensor, bias: Tensor | None, stride: int, groups: int = 1, activation: Activation = "none"
    ):
        super().__init__()
        self.weight = nn.Buffer(weight.contiguous(memory_format=torch.channels_last))
        self.bias = None if bias is None else nn.Buffer(bias)
        self.stride, self.padding, self.groups = stride, (weight.shape[-1] - 1) // 2, groups
        self.activation = activation
        self._pointwise = weight.shape[-1] == stride == groups == 1
        self._calls = 0

    def forget_packed(self) -> None:
        super().forget_packed()
        self._calls = 0

    def forward(self, frames: Tensor, activation: Activation | None = None) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        activation = activation or self.activation
        if self._takes_onednn(frames):
            out: Tensor = torch.ops.mkldnn._convolution_pointwise(
                frames, self._weight_for(frames), *self._arguments(), *_ONEDNN_NAMES[activation], ""
            )
            return out
        return _activated(self._plain(frames), activation)

    def add_to(self, out: Tensor, frames: Tensor, activation: Activation | None = None) -> None:
        """`out` (N, C', H', W'), channels last, becomes out + conv(frames), or the activation of that."""
        activation = activation or self.activation
        if self._takes_onednn(frames):
            name, scalars = _ONEDNN_NAMES[activation]
            unary = None if activation == "none" else name
            torch.ops.mkldnn._convolution_pointwise_.binary(
                out, frames, self._weight_for(frames), *self._arguments(), "add", 1.0, unary, scalars, ""
            )
        else:
            _activated(out.add_(self._plain(frames)), activation)

    def _takes_onednn(self, frames: Tensor) -> bool:
        if torch.compiler.is_compiling():  # the compiler has its own ways to the same, and cannot follow ours
            return False
        if not (frames.is_cpu and frames.dtype in (torch.float32, torch.bfloat16) and ONEDNN):
            return False
        return not self._pointwise or frames.numel() * max(1, self.weight.shape[0] / self.weight.shape[1]) > SMALL

    def _plain(self, frames: Tensor) -> Tensor:
        if self._pointwise and frames.is_cpu:
            return F.linear(frames.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)
        return F.conv2d(frames, self.weight, self.bias, self.stride, self.padding, groups=self.groups)

    def _arguments(self) -> tuple[Any, ...]:
        """Bias, padding, stride, dilation and groups, as oneDNN's operators take them."""
        return self.bias, [self.padding] * 2, [self.stride] * 2, [1, 1], self.groups

    def _weight_for(self, frames: Tensor) -> Tensor:
        """The weight in oneDNN's layout, made at the second call, for the size of its frames (any other works too)."""
        self._calls += 1
        if self._calls == 1:  # while the network is being trained, a form is often used once
            return self.weight
        if self._packed is None or self._packed[0] != self.weight.dtype:
            dense = self.weight.contiguous().to_mkldnn()
            reorder = torch.ops.aten.mkldnn_reorder_conv2d_weight
            packed = reorder(dense, *self._arguments()[1:], list(frames.shape))
            self._packed = self.weight.dtype, packed
        return self._packed[1]


def _activated(out: Tensor, activation: Activation) -> Tensor:
    """In place."""
    if activation == "relu":
        return out.relu_()
    return out.clamp_(0, 6) if activation == "relu6" else out


ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
