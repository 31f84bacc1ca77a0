"""Batch norm folded into the convolution before it, once or again and again in the same memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ada3d_gym.networks.masked import TemporalConv


@dataclass(frozen=True)
class Fold:
    """A convolution's weight, the batch norm behind it, and where the two are folded to."""

    conv_weight: Tensor
    norm: nn.BatchNorm2d
    weight: Tensor
    bias: Tensor


class Folds:
    """What an inference form has of its network, in memory that `refresh` fills anew.

    Args:
        dtype: of the form.
    """

    def __init__(self, dtype: torch.dtype):
        self.dtype = dtype
        self._folds: list[Fold] = []
        self._copies: list[tuple[Tensor, Tensor]] = []  # to and from

    def add(self, fold: Fold) -> None:
        self._folds.append(fold)

    def add_copy(self, to: Tensor, source: Tensor) -> None:
        self._copies.append((to, source))

    @torch.no_grad()
    def refresh(self) -> None:
        """Folds and copies again, from the network as it is now."""
        if self._folds:
            self._fold_all(self._folds)
        if self._copies:
            to, source = zip(*self._copies, strict=True)
            torch._foreach_copy_(to, source)

    def _fold_all(self, folds: Sequence[Fold]) -> None:
        """Weights w g and biases b - m g, where g = gamma / sqrt(var + eps); all small vectors of a kind at once."""
        norms = [fold.norm for fold in folds]
        means, variances = _statistics(norms)
        scales = torch._foreach_add(variances, [norm.eps for norm in norms])
        torch._foreach_sqrt_(scales)
        scales = torch._foreach_div([norm.weight for norm in norms], scales)
        shifts = torch._foreach_sub([norm.bias for norm in norms], torch._foreach_mul(means, scales))
        torch._foreach_copy_([fold.bias for fold in folds], shifts)
        for fold, scale in zip(folds, scales, strict=True):
            torch.mul(fold.conv_weight, scale.view(-1, *(1,) * (fold.conv_weight.dim() - 1)), out=fold.weight)

    def cover(self, form: nn.Module, network: nn.Module) -> bool:
        """Notes what the form has of the network under the same name; whether that, and what is folded, is all."""
        known = {_memory(fold.weight) for fold in self._folds} | {_memory(fold.bias) for fold in self._folds}
        known |= {_memory(to) for to, _ in self._copies}
        sources = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        for name, value in (*form.named_parameters(), *form.named_buffers()):
            if _memory(value) in known:
                continue
            source = sources.get(name)
            if source is None or source.shape != value.shape or _memory(value) == _memory(source):
                return False
            self.add_copy(value.detach(), source)
        return True


_current: ContextVar[Folds | None] = ContextVar("folds", default=None)


@contextmanager
def folding(dtype: torch.dtype) -> Iterator[Folds]:
    """Notes what is folded and copied inside, in a form's dtype."""
    folds = Folds(dtype)
    token = _current.set(folds)
    try:
        yield folds
    finally:
        _current.reset(token)


@torch.no_grad()
def fold_norm(conv: nn.Conv2d | TemporalConv, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution and the batch norm behind it.

    The weight's taps over time are channels last, each by itself: convolutions made of them take them as they are.
    """
    folds = _noted(conv.weight)
    weight = _tap_by_tap(conv.weight, folds.dtype)
    fold = Fold(conv.weight, norm, weight, torch.empty_like(norm.bias, dtype=folds.dtype))
    folds.add(fold)
    folds._fold_all([fold])
    return weight, fold.bias


@torch.no_grad()
def own_copy(values: Tensor, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    """A copy that follows `values`, which are weights of the network or what `fold_norm` has made of them."""
    folds = _noted(values)
    copied = torch.empty_like(values, dtype=folds.dtype, memory_format=memory_format, requires_grad=False)
    folds.add_copy(copied, values.detach())
    return copied.copy_(values)


def _noted(values: Tensor) -> Folds:
    """What is noting; else something that nobody asks, for what is folded once, in the dtype that it has."""
    return _current.get() or Folds(values.dtype)


def _statistics(norms: Sequence[nn.BatchNorm2d]) -> tuple[list[Tensor], list[Tensor]]:
    means, variances = [], []
    for norm in norms:
        assert norm.running_mean is not None and norm.running_var is not None
        means.append(norm.running_mean)
        variances.append(norm.running_var)
    return means, variances


def _tap_by_tap(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """An empty tensor of the shape of a weight, (O, C, k, k) or (O, C, t, k, k), each tap over time channels last."""
    if weight.dim() == 4:
        return torch.empty_like(weight, dtype=dtype, memory_format=torch.channels_last, requires_grad=False)
    out, channels, length, *side = weight.shape
    return weight.new_empty(length, out, *side, channels, dtype=dtype).permute(1, 4, 0, 2, 3)


def _memory(values: Tensor) -> int:
    found: int = values.untyped_storage()._cdata
    return found
