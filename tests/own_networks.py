"""Networks of one's own, as a user would write them in a module of theirs."""

from __future__ import annotations

import torch
from torch import nn

from ada3d_gym.networks.conversion.convert import convert


def small(classes: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(3, 8, 3, (1, 2, 2), 1),
        nn.ReLU(),
        nn.Conv3d(8, 8, 3, (1, 2, 2), 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(8, classes),
    )


def converted(classes: int) -> nn.Module:
    return convert(small(classes), size=32, stages=["0", "2"])


def of_three(_: int) -> nn.Module:
    return small(3)


def no_network(classes: int) -> int:
    return classes


def without_arguments() -> nn.Module:
    return small(14)


def drawn(classes: int) -> nn.Module:
    """As `small`, with weights that differ from call to call, batch norm and dropout."""
    return nn.Sequential(
        nn.Conv3d(3, 8, 3, (1, 2, 2), 1),
        nn.BatchNorm3d(8),
        nn.ReLU(),
        nn.Conv3d(8, 8, 3, (1, 2, 2), 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(8, classes),
    )
