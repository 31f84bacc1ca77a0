"""The networks that are measured beside their dense forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from ada3d_gym.networks.spec import I3D_R50, SLOWONLY_R50, X3D_S, NetworkSpec
from benchmarks.dense import DenseResNet3d
from benchmarks.dense_x3d import DenseX3d


@dataclass(frozen=True)
class Subject:
    """A network, the masks that it is measured under, and what computes the same without masks.

    Attributes:
        spec: of the network.
        frames, stages: mean usage of random masks.
        dense: from the masked network to a dense one with its weights; with `fold=True`, batch norm folded in. It takes
            clips (B, 3, T, H, W), and stage bits and kept frames as `DenseResNet3d` does.
        size: side of the clips, in pixels.
        num_frames: T.
    """

    spec: NetworkSpec
    frames: float
    stages: float
    dense: Callable[..., nn.Module | Any] = DenseResNet3d
    size: int = 224
    num_frames: int = 8


# Usage is that of the paper's Tables 1 and 4 on FCVID.
SUBJECTS = {
    each.spec.name: each
    for each in (
        Subject(I3D_R50, 5.7, 2.2),
        Subject(SLOWONLY_R50, 6.6, 1.3),
        Subject(X3D_S, 5.7 / 8 * X3D_S.frames, 2.2, DenseX3d, X3D_S.side, X3D_S.frames),  # I3D's shares
    )
}
