"""What plain bandit algorithms see of a clip: a few numbers made of the features of its frames, without learning."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_trunk
from ada3d_gym.seeding import Stream, spawn, torch_seed

MOST_CLIPS = 4096  # whose features are looked at for the components


class ClipContext(nn.Module):
    """Contexts (B, 1 + components) of features of frames (B, T, C): a 1, then principal components.

    They are those of the frames' features, one after the other, beside the trunk's features of the clip; their mean
    variance is 1, and the first have most of it, so that a ridge holds the last ones down. All are zero until `fit` has
    found them.

    Args:
        bandit: whose clips they are.
        components: how many.
        weights: of the trunk, see `ada3d_gym.building.build_trunk`.
        seed: of the trunk's layers that have no weights.
    """

    mean: Tensor
    projection: Tensor

    def __init__(self, bandit: ClipBandit, components: int, weights: str | None, seed: int):
        super().__init__()
        with torch_seed(spawn(seed, Stream.BANDIT_TRUNK)):
            trunk = build_trunk(bandit.num_frames, bandit.source.observation_size, weights)
        self.mix = trunk.mix
        width = bandit.num_frames * trunk.channels + trunk.features
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("projection", torch.zeros(width, components))
        self.requires_grad_(False)

    def forward(self, frames: Tensor) -> Tensor:
        components = (self._features(frames) - self.mean) @ self.projection
        return torch.cat([components.new_ones(len(components), 1), components], 1)

    def fit(self, bandit: ClipBandit, rng: np.random.Generator) -> None:
        """Finds the components of the bandit's clips. No mask is pulled for it.

        Args:
            bandit: whose clips are looked at, up to `MOST_CLIPS` of them.
            rng: which ones.
        """
        ids = bandit.usable(bandit.epoch(rng)[:MOST_CLIPS])
        shown = torch.from_numpy(bandit.observer(ids)).to(self.mean)
        features = self._features(shown).double()
        mean = features.mean(0)
        variances, directions = torch.linalg.eigh((features - mean).T @ (features - mean) / len(features))
        count = self.projection.shape[1]
        variances, directions = variances.flip(0)[:count], directions.flip(1)[:, :count]
        self.mean.copy_(mean)
        self.projection.zero_()[:, : len(variances)] = (directions * variances.mean().rsqrt()).to(self.projection)

    def _features(self, frames: Tensor) -> Tensor:
        flat = frames.flatten(1)
        return torch.cat([flat, self.mix(flat)], 1)
