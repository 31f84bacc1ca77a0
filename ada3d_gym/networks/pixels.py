"""From bytes to what a network was trained to see."""

from __future__ import annotations

import torch
from torch import Tensor, nn

Channels = tuple[float, float, float]
PIXEL_MEAN, PIXEL_STD = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)  # PySlowFast's, of pixels in [0, 1]


class Pixels(nn.Module):
    """(x / 255 - mean) / std, channel by channel; mean and std are saved with the network's weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Channels = PIXEL_MEAN, std: Channels = PIXEL_STD, *, persistent: bool = True) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean), persistent=persistent)
        self.register_buffer("std", torch.tensor(std), persistent=persistent)

    def forward(self, frames: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 to the buffers' dtype."""
        mean, std = (values.view(-1, 1, 1) for values in (self.mean, self.std))
        return frames.to(mean.dtype).div_(255).sub_(mean).div_(std)
