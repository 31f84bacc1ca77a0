"""Spatial transforms on uint8 frames, before anything is normalised."""

from __future__ import annotations

import torch
from torchvision.transforms.v2 import functional as F


def resize_and_crop(frames: torch.Tensor, size: int) -> torch.Tensor:
    """Antialiased resize of the short side to `size`, then the centre square: (…, C, H, W) to (…, C, size, size)."""
    height, width = frames.shape[-2:]
    if (height, width) == (size, size):
        return frames
    resized: torch.Tensor = F.resize(frames, [size], antialias=True)  # an int alone is the short side
    cropped: torch.Tensor = F.center_crop(resized, [size, size])
    return cropped
