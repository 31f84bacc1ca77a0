"""A policy small enough to compute by hand, in the place of the selection network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.networks.selection import MaskLogits


class LogitTable(nn.Module):
    """Free logits for each clip of a `TableClips`, which it recognises by brightness.

    Args:
        bandit: on table clips.
        seed: of the logits at the start, which scatter around 1.
    """

    def __init__(self, bandit: ClipBandit, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.trunk = nn.Sequential()  # no trunk: every parameter learns at the heads' rate
        self.spacing: int = bandit.source.spacing
        clips = len(bandit.source)
        self.frames = nn.Parameter(1 + 0.5 * torch.randn(clips, bandit.num_frames, generator=generator))
        self.stages = nn.Parameter(1 + 0.5 * torch.randn(clips, bandit.num_stages, generator=generator))

    def forward(self, clips: Tensor) -> MaskLogits:
        ids = clips[:, 0, 0, 0, 0].long() // self.spacing
        return MaskLogits(self.frames[ids], self.stages[ids])
