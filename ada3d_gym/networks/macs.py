"""Multiply-accumulates of a masked 3D network, per clip, for any masks.

Counted as in the paper (its "GFLOPs"): convolutions and the linear head, padded taps included, batch norm and pooling
not. A stage that is off costs its centre taps only, so the cost is linear in the number of kept frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.networks.spec import NetworkSpec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class MacCounter:
    """MACs of a network at one input size.

    Attributes:
        frame: MACs of one kept frame with every stage off.
        stage: (K,) int64 MACs that switching a stage on adds to each kept frame.
        head: MACs of what is computed once for a clip that keeps a frame, as the last layer.
    """

    frame: int
    stage: NDArray[np.int64]
    head: int

    @classmethod
    def of_spec(cls, spec: NetworkSpec, size: int, classes: int) -> MacCounter:
        """Of a network from its table.

        Args:
            spec: the network.
            size: side of its square input, in pixels.
            classes: C.
        """
        frame = 0
        side_taps = dict.fromkeys(spec.stages, 0)
        for conv in spec.convolutions(size):
            length, kernel = conv.kernel
            per_tap = conv.in_channels // conv.groups * conv.out_channels * kernel**2 * conv.out_side**2
            frame += per_tap
            if length > 1:
                side_taps[conv.stage] += (length - 1) * per_tap
        return cls(frame, np.array(list(side_taps.values()), np.int64), spec.clip_macs(classes))

    def __call__(self, u: NDArray[np.bool_], v: NDArray[np.bool_]) -> NDArray[np.int64]:
        """MACs (B,) int64 of each clip, for frame masks u (B, T) and stage masks v (B, K); 0 where no frame is kept."""
        kept = u.sum(1)
        macs: NDArray[np.int64] = kept * (self.frame + v @ self.stage) + (kept > 0) * self.head
        return macs

    def full(self, frames: int) -> int:
        """MACs of one clip that keeps all of its `frames` and every stage."""
        return frames * (self.frame + int(self.stage.sum())) + self.head


def count_macs(module: Callable[..., object], *inputs: torch.Tensor) -> int:
    """MACs of one call of any module or function, as PyTorch counts them."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode  # brings Triton along, where that is installed

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*inputs)
    return int(counter.get_total_flops()) // 2
