"""Batch norm of a batch that several processes share: by mean and variance of all of it, as one process has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ada3d_gym import parallel


@contextmanager
def synced(module: nn.Module, wanted: bool = True) -> Iterator[None]:
    """Within, where it is wanted, batch norm that is trained normalises by the clips of all processes, on a CPU too.

    All processes must make the same number of passes, forward and backward, and none of them an empty one.
    PyTorch's SyncBatchNorm needs GPUs, and takes the modules' places.
    """
    norms = [each for each in module.modules() if isinstance(each, _BatchNorm)] if wanted else []
    for norm in norms:
        norm.forward = partial(_forward, norm)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _forward(norm: _BatchNorm, frames: Tensor) -> Tensor:
    """(N, C, …), normalised."""
    if not norm.training or not getattr(norm, "used", True):
        return type(norm).forward(norm, frames)
    values, others = frames.to(torch.promote_types(frames.dtype, torch.float32)), [0, *range(2, frames.ndim)]
    mean, variance = values.mean(others), values.var(others, correction=0)
    count = values.numel() // len(mean)
    rows = _of_all(torch.cat([mean, variance, mean.new_full((1,), count)]))
    means, variances, counts = rows[:, : len(mean)], rows[:, len(mean) : -1], rows[:, -1:]
    total = counts.sum()
    mean = (counts * means).sum(0) / total
    variance = (counts * (variances + (means - mean).square())).sum(0) / total
    _keep(norm, mean.detach(), (variance * total / (total - 1)).detach())
    scale = (variance + norm.eps).rsqrt() * (norm.weight if norm.affine else 1)
    shift = (norm.bias if norm.affine else 0) - mean * scale
    shape = (1, -1, *[1] * (frames.ndim - 2))
    return (values * scale.view(shape) + shift.view(shape)).to(frames.dtype)


def _keep(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Takes a batch into the statistics, as PyTorch does."""
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked.add_(1)
    share = 1 / int(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean, share)
    norm.running_var.lerp_(variance, share)


def _of_all(row: Tensor) -> Tensor:
    """The rows (processes, D) of all processes, this one's own (D,) among them; gradients find their way back."""
    own = torch.arange(parallel.world(), device=row.device) == parallel.rank()
    rows: Tensor = _Sum.apply(own[:, None] * row)
    return rows


class _Sum(torch.autograd.Function):
    """The sum over processes, elementwise; its gradient is the sum of all processes' gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return parallel.total(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return parallel.total(gradients[0])
