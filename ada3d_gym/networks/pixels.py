"""From bytes to what a network was trained to see."""

from __future__ import annotations

import torch
from torch import Tensor, nn

Channels = tuple[float, float, float]
PIXEL_MEAN, PIXEL_STD = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)  # PySlowFast's, of pixels in [0, 1]


class Pixels(nn.Module):
    """(x / 255 - mean) / std, channel by channel; mean and std are saved with the network's weights.

    Attributes:
        shown_as: the dtype that normalised values leave in, where it is not that of mean and std: in half precision,
            these and the bytes' differences from them would lose what the network was trained to see.
    """

    mean: Tensor
    std: Tensor
    shown_as: torch.dtype | None = None

    def __init__(self, mean: Channels = PIXEL_MEAN, std: Channels = PIXEL_STD, *, persistent: bool = True) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean), persistent=persistent)
        self.register_buffer("std", torch.tensor(std), persistent=persistent)

    def forward(self, frames: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 to `shown_as`."""
        mean, std = self._constants()
        if self.shown_as in (None, mean.dtype):
            return self._normalised(frames)
        shown = torch.empty_like(frames, dtype=self.shown_as)  # rounded twice, and never there in more bytes
        return torch.sub(frames, 255 * mean, out=shown).div_(255 * std)

    def _normalised(self, frames: Tensor) -> Tensor:
        """The same in the dtype of mean and std."""
        mean, std = self._constants()
        return frames.to(mean.dtype).div_(255).sub_(mean).div_(std)

    def _constants(self) -> tuple[Tensor, Tensor]:
        return self.mean.view(-1, 1, 1), self.std.view(-1, 1, 1)


class ClipPixels(Pixels):
    """What a selection network sees of whole clips.

    Args:
        halved: whether squares of 2 x 2 pixels are averaged.
        lag: how many frames back the one is that each frame's difference is taken from; None leaves differences out.
    """

    def __init__(self, halved: bool = False, lag: int | None = None) -> None:
        super().__init__(persistent=False)
        self.halved, self.lag = halved, lag

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) uint8 to (B * T, 3 or 4, H, W), or half of H and W, channels last.

        With differences, the last channel is how much brighter a frame is than the one `lag` before it; zeros where
        there is none.
        """
        frames = clips.flatten(0, 1)
        if self.halved:  # first of all, since it leaves less to do
            frames = _halved(frames.to(self.mean.dtype))
        frames = self._normalised(frames)
        if self.lag is None:
            return frames.to(self.shown_as or frames.dtype).contiguous(memory_format=torch.channels_last)
        batch, channels, height, width = frames.shape
        shown = frames.new_zeros(batch, height, width, channels + 1).permute(0, 3, 1, 2)  # channels last
        shown[:, :channels] = frames
        light = frames.mean(1).unflatten(0, clips.shape[:2])
        shown[:, channels].unflatten(0, clips.shape[:2])[:, self.lag :] = light[:, self.lag :] - light[:, : -self.lag]
        return shown.to(self.shown_as or shown.dtype)


def _halved(frames: Tensor) -> Tensor:
    """Means of 2 x 2 pixels, several times faster than `avg_pool2d` on three channels."""
    height, width = (length // 2 * 2 for length in frames.shape[-2:])
    rows = frames[..., 0:height:2, :width] + frames[..., 1:height:2, :width]
    return (rows[..., 0::2] + rows[..., 1::2]).mul_(0.25)
