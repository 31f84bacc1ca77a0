"""From bytes to what a network was trained to see."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


class ClipPixels(Pixels):
    """What a selection network sees of whole clips.

    Args:
        pooling: side of the squares of pixels that are averaged.
        lag: how many frames back the one is that each frame's difference is taken from; None leaves differences out.
    """

    def __init__(self, pooling: int = 1, lag: int | None = None) -> None:
        super().__init__(persistent=False)
        self.pooling, self.lag = pooling, lag

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) uint8 to (B * T, 3 or 6, H / pooling, W / pooling), channels last.

        With differences, channels 3 to 5 are what a frame adds to the one `lag` before it; zeros where there is none.
        """
        frames = clips.flatten(0, 1)
        if self.pooling > 1:  # first of all, since it leaves less to do
            frames = F.avg_pool2d(frames.to(self.mean.dtype), self.pooling)
        frames = super().forward(frames)
        if self.lag is not None:
            now = frames.unflatten(0, clips.shape[:2])
            change = torch.zeros_like(now)
            change[:, self.lag :] = now[:, self.lag :] - now[:, : -self.lag]
            frames = torch.cat([now, change], 2).flatten(0, 1)
        return frames.contiguous(memory_format=torch.channels_last)
