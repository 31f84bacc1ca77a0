"""From a table to the network that it describes."""

from __future__ import annotations

from ada3d_gym.networks.described import DescribedNetwork
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import NetworkSpec, ResNet3dSpec, X3dSpec
from ada3d_gym.networks.x3d import MaskedX3d


def make_network(spec: NetworkSpec, classes: int, dropout: float = 0.5) -> DescribedNetwork:
    """A network with fresh weights, drawn from PyTorch's global generator.

    Args:
        spec: one of `ada3d_gym.networks.spec.SPECS`, or another of their kinds.
        classes: C.
        dropout: before the last layer.
    """
    if isinstance(spec, X3dSpec):
        return MaskedX3d(spec, classes, dropout)
    if isinstance(spec, ResNet3dSpec):
        return MaskedResNet3d(spec, classes, dropout)
    raise TypeError(f"{type(spec).__name__} describes no network that is known here")
