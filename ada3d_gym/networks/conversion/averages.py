"""Means over time in converted networks: over the kept frames of each clip, for the head and for gates."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.networks.masked import Packing


class Current:
    """What the replaced modules know of the batch that is being computed.

    Attributes:
        packing: of its frames.
        averaged: whether what is computed has one row for each clip by now, instead of one for each frame.
    """

    packing: Packing
    averaged: bool


class ClipAverage(nn.Module):
    """An `nn.AdaptiveAvgPool3d` to one moment, over the kept frames of each clip.

    Args:
        pool: what it stands for.
        current: the batch.
        gate: whether frames are scaled by what becomes of it, so that each gets its clip's mean.
    """

    def __init__(self, pool: nn.AdaptiveAvgPool3d, current: Current, gate: bool):
        super().__init__()
        size = pool.output_size
        assert size is not None
        self.output_size = size if isinstance(size, int) else (size[1], size[2])
        self._current, self._gate = current, gate

    def forward(self, frames: Tensor) -> Tensor:
        """(N, C, 1, H, W) to (B, C, 1, H', W'), or to (N, C, 1, H', W') for a gate."""
        small, packing = F.adaptive_avg_pool2d(frames.squeeze(2), self.output_size), self._current.packing
        if self._current.averaged:  # clips already
            return small.unsqueeze(2)
        mean: Tensor = packing.mean(small.flatten(1)).unflatten(1, small.shape[1:])
        if self._gate:
            return mean.index_select(0, packing.clip).unsqueeze(2)
        self._current.averaged = True
        return mean.unsqueeze(2)


class _PooledGate(nn.Module):
    """fvcore's `SqueezeExcitation`, which takes its mean in `forward`, with a module that takes it."""

    def __init__(self, block: nn.Module):
        super().__init__()
        self.pool, self.block = nn.AdaptiveAvgPool3d(1), block

    def forward(self, frames: Tensor) -> Tensor:
        factors: Tensor = self.block(self.pool(frames))
        return frames * factors


def pool_in_gates(network: nn.Module) -> None:
    """Has gates that are known take their mean by a module, in place."""
    for name, module in list(network.named_modules()):
        kind = type(module)
        known = (kind.__module__, kind.__qualname__) == ("fvcore.nn.squeeze_excitation", "SqueezeExcitation")
        if known and module.is_3d:
            assert isinstance(module.block, nn.Module)
            network.set_submodule(name, _PooledGate(module.block))
