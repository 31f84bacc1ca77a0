"""The MobileNetV2s that selection networks see frames through."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torchvision.models import MobileNetV2


class MobileNet(nn.Sequential):
    """The layers of torchvision's MobileNetV2 up to its features, (N, C, H, W) to (N, C', H', W')."""


@dataclass(frozen=True)
class MobileNetSpec:
    """A MobileNetV2 and what it is shown.

    Attributes:
        settings: torchvision's expansion, channels before scaling, repeats and stride of each group of blocks; None for
            the paper's.
        width: scales channels.
        pooling: side of the squares of pixels that are averaged before the first layer.
        differences: whether a frame comes with its difference from an earlier one, as three channels more.
        last: whether it ends in torchvision's last layer, which is 1280 channels wide whatever the width.
    """

    settings: list[list[int]] | None = None
    width: float = 1.0
    pooling: int = 1
    differences: bool = False
    last: bool = True

    def build(self) -> tuple[MobileNet, int]:
        """The layers with fresh weights, and how many channels come out."""
        network = MobileNetV2(inverted_residual_setting=self.settings, width_mult=self.width)
        layers = list(network.features if self.last else network.features[:-1])
        if self.differences:
            layers[0][0] = _with_channels(layers[0][0], 6)
        return MobileNet(*layers), network.last_channel if self.last else layers[-1].out_channels


def _with_channels(conv: nn.Conv2d, channels: int) -> nn.Conv2d:
    """A fresh convolution like one without bias, for another number of input channels."""
    size, stride, padding = conv.kernel_size, conv.stride, conv.padding
    other = nn.Conv2d(channels, conv.out_channels, size, stride, padding, bias=False)  # type: ignore[arg-type]
    nn.init.kaiming_normal_(other.weight, mode="fan_out")  # as torchvision does
    return other


MOBILENETS = {
    "mobilenet_v2": MobileNetSpec(),  # the paper's, for frames of 112 pixels
    # For 32 pixels: at most 3 % of the operations of MotionShapes' 3D networks.
    "mobilenet_v2_tiny": MobileNetSpec(
        [[1, 32, 1, 1], [2, 64, 1, 2], [2, 128, 1, 2]], width=0.25, pooling=2, differences=True, last=False
    ),
}
