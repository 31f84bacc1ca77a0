"""A (t, 1, 1) convolution over packed frames, span by span: nothing is copied, each product lands in place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Span = tuple[int, int]


def span_conv(frames: Tensor, weight: Tensor, spans: list[Span]) -> Tensor:
    """The centre tap over all frames, and the side taps between the frames of each span.

    Args:
        frames: (N, C, H, W), channels last.
        weight: (C', C, t).
        spans: disjoint (start, stop) runs of frames that are each other's neighbours in time.

    Returns:
        (N, C', H, W), channels last.
    """
    if torch.is_autocast_enabled(frames.device.type):
        dtype = torch.get_autocast_dtype(frames.device.type)
        frames, weight = frames.to(dtype), weight.to(dtype)
    out: Tensor = _SpanConv.apply(frames, weight, spans)
    return out


def side_taps(length: int, spans: list[Span]) -> Iterator[tuple[int, slice, slice]]:
    """(tap, frames that it adds to, frames that it reads) for every side tap of a kernel of `length`, span by span."""
    centre = length // 2
    for start, stop in spans:
        for distance in range(1, min(centre, stop - start - 1) + 1):
            early, late = slice(start, stop - distance), slice(start + distance, stop)
            yield centre + distance, early, late
            yield centre - distance, late, early


class _SpanConv(torch.autograd.Function):
    """By hand, because the gradient of a slice would be a tensor of all frames, for every span and tap."""

    @staticmethod
    def forward(ctx: Any, frames: Tensor, weight: Tensor, spans: list[Span]) -> Tensor:
        ctx.save_for_backward(frames, weight)
        ctx.spans = spans
        taps = [tap.contiguous()[:, :, None, None] for tap in weight.unbind(2)]
        out = F.conv2d(frames, taps[len(taps) // 2])
        for tap, to, source in side_taps(len(taps), spans):
            out[to].add_(F.conv2d(frames[source], taps[tap]))
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        frames, weight = ctx.saved_tensors
        grad = grads[0].contiguous(memory_format=torch.channels_last)
        length = weight.shape[2]
        grad_frames = grad_weight = None
        if ctx.needs_input_grad[0]:
            taps = [tap.T.contiguous()[:, :, None, None] for tap in weight.unbind(2)]
            grad_frames = F.conv2d(grad, taps[length // 2])
            for tap, to, source in side_taps(length, ctx.spans):
                grad_frames[source].add_(F.conv2d(grad[to], taps[tap]))
        if ctx.needs_input_grad[1]:
            products = [torch.zeros_like(weight[:, :, 0]) for _ in range(length)]
            torch.mm(_rows(grad).T, _rows(frames), out=products[length // 2])
            for tap, to, source in side_taps(length, ctx.spans):
                products[tap].addmm_(_rows(grad[to]).T, _rows(frames[source]))
            grad_weight = torch.stack(products, 2)
        return grad_frames, grad_weight, None


def _rows(frames: Tensor) -> Tensor:
    """(N, C, H, W), channels last, as a matrix (N * H * W, C) on the same memory."""
    return frames.permute(0, 2, 3, 1).reshape(-1, frames.shape[1])
