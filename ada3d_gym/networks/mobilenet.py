"""The MobileNetV2s that selection networks see frames through."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn


class MobileNet(nn.Sequential):
    """The layers of torchvision's MobileNetV2 up to its features, (N, C, H, W) to (N, C', H', W')."""


@dataclass(frozen=True)
class MobileNetSpec:
    """A MobileNetV2 and what it is shown.

    Attributes:
        settings: torchvision's expansion, channels before scaling, repeats and stride of each group of blocks; None for
            the paper's.
        width: scales channels.
        halved: whether it sees frames at half their side.
        differences: whether a frame comes with its difference from an earlier one, as one channel more.
        last: whether it ends in torchvision's last layer, which is 1280 channels wide whatever the width.
    """

    settings: list[list[int]] | None = None
    width: float = 1.0
    halved: bool = False
    differences: bool = False
    last: bool = True

    @cached_property
    def first_shape(self) -> tuple[int, ...]:
        """Of the first convolution's weight, by which the network is told."""
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            return tuple(next(self.build()[0].parameters()).shape)

    def build(self) -> tuple[MobileNet, int]:
        """The layers with fresh weights, and how many channels come out."""
        from torchvision.models import MobileNetV2  # torchvision takes a second, and brings torch._dynamo along

        network = MobileNetV2(inverted_residual_setting=self.settings, width_mult=self.width)
        layers = list(network.features if self.last else network.features[:-1])
        if self.differences:  # squares of 2 x 2 pixels beside each other, not 3 x 3 that overlap, pay for them
            layers[0][0] = nn.Conv2d(4, layers[0][0].out_channels, 2, 2, bias=False)
            nn.init.kaiming_normal_(layers[0][0].weight, mode="fan_out")  # as torchvision does
        return MobileNet(*layers), network.last_channel if self.last else layers[-1].out_channels


MOBILENETS = {
    "mobilenet_v2": MobileNetSpec(),  # the paper's, for frames of 112 pixels
    # For 32 pixels: at most 3 % of the operations of MotionShapes' 3D networks.
    "mobilenet_v2_tiny": MobileNetSpec(
        [[1, 32, 1, 1], [3, 64, 1, 2], [4, 128, 1, 2]], width=0.25, halved=True, differences=True, last=False
    ),
}
