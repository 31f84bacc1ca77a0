"""Changes of decoded clips, a batch at once on its device, that leave their class as it is."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ada3d_gym.experiments.scratch.sharing import BatchDraws


def augmented(
    clips: Tensor, size: int, draws: BatchDraws, *, zoom: tuple[float, float], colour: float, flip: bool
) -> Tensor:
    """Clips (B, T, 3, S, S) uint8 as random squares of them, (B, T, 3, size, size) uint8, alike in a clip.

    Args:
        clips: of any side S, no more than twice `size`: pixels are interpolated between neighbours.
        size: side of what comes out.
        draws: on the clips' device.
        zoom: least and most that a square is enlarged, against the whole clip at `size`.
        colour: contrast and brightness change by up to this share.
        flip: mirror half of the clips.
    """
    uniform, (least, most) = draws.uniform, zoom
    side = 1 / (least + (most - least) * uniform(1))  # of the square, as a share of the clip's
    corner = (2 * uniform(2) - 1) * (1 - side)
    wide = torch.where(uniform(1) < 0.5, -side, side) if flip else side
    zero = torch.zeros_like(side)
    maps = torch.cat([wide, zero, corner[:, :1], zero, side, corner[:, 1:]], 1).view(-1, 2, 3)
    grid = F.affine_grid(maps, [len(clips), 1, size, size], align_corners=False)
    frames = clips.flatten(1, 2).float()
    squares = F.grid_sample(frames, grid, "bilinear", "border", align_corners=False).unflatten(1, clips.shape[1:3])
    contrast, light = ((2 * uniform(1, 1, 1, 1) - 1) * colour for _ in range(2))
    squares = squares.sub_(128).mul_(1 + contrast).add_(128 + 255 * light)
    changed: Tensor = squares.round_().clamp_(0, 255).to(torch.uint8)
    return changed
