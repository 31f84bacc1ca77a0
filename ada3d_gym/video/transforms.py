"""Spatial transforms on uint8 frames, before anything is normalised."""

from __future__ import annotations

import torch


def resize_and_crop(frames: torch.Tensor, size: int) -> torch.Tensor:
    """Antialiased resize of the short side to `size`, then the centre square: (…, C, H, W) to (…, C, size, size)."""
    height, width = frames.shape[-2:]
    if (height, width) == (size, size):
        return frames
    from torchvision.transforms.v2 import functional as F  # takes a second to import, and clips that are kept need none

    resized: torch.Tensor = F.resize(frames, [size], antialias=True)  # an int alone is the short side
    cropped: torch.Tensor = F.center_crop(resized, [size, size])
    return cropped


def jitter_colours(clips: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Clips (B, T, 3, H, W) uint8 whose colour channels are shuffled and, half the time, inverted, alike in a clip."""
    order = torch.rand(len(clips), 3, generator=generator, device=clips.device).argsort(1)
    shuffled = clips.gather(2, order[:, None, :, None, None].expand_as(clips))
    inverted = torch.rand(len(clips), generator=generator, device=clips.device) < 0.5
    return torch.where(inverted[:, None, None, None, None], 255 - shuffled, shuffled)
