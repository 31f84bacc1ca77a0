"""Predicting what each of all masks pays, from an outcome table."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.masks import all_masks, split_mask
from ada3d_gym.networks.selection import ClipTrunk
from ada3d_gym.outcomes.expectation import outcomes, right_pays
from ada3d_gym.outcomes.table import check_bits
from ada3d_gym.outcomes.values import Game
from ada3d_gym.rewards import MaskReward


class MaskValues(nn.Module):
    """A logit for each of all masks, from a clip's features and those of its frames.

    Args:
        trunk: usually pre-trained as a classifier.
        masks: M.
        hidden: width of the layer before.
    """

    def __init__(self, trunk: ClipTrunk, masks: int, hidden: int):
        super().__init__()
        self.trunk = trunk
        width = trunk.num_frames * trunk.channels + trunk.features
        self.values = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, masks))

    def forward(self, clips: Tensor) -> Tensor:
        """Logits (B, M) for uint8 clips (B, T, 3, H, W)."""
        frames = self.trunk.frames(clips)
        logits: Tensor = self.values(torch.cat([frames.flatten(1), self.trunk.aggregate(frames)], 1))
        return logits


class ValuesLesson:
    """Learns, by cross entropy, a share in [0, 1] for each mask of which its payment follows; acts by the largest.

    For reward="accuracy" the share is whether the answer is right, and for "confidence" the labels' probability. What
    masks cost is known then, and need not be learned. For "margin" it is the payment itself, between the least and the
    most that can be paid.
    """

    def __init__(self, bandit: ClipBandit):
        reward, frames, stages = bandit.reward, bandit.num_frames, bandit.num_stages
        check_bits(frames, stages)
        if not isinstance(reward, MaskReward):
            raise InputError(f"reward is {type(reward).__name__}: expected MaskReward, whose payments are known")
        masks, self._num_frames = all_masks(frames, stages), frames
        macs = bandit.classifier.macs(*split_mask(masks, frames, stages))
        self._pays, self._least = right_pays(reward, macs, frames, stages).sum(0), -2 * reward.gamma
        margin = reward.reward == "margin"
        gains = np.where(self._pays > 0, 1.0 if margin else self._pays - self._least, 0.0)  # none without frames
        self._gains = torch.from_numpy(gains)
        self._masks = torch.from_numpy(masks).bool()

    def loss(self, logits: Tensor, rows: NDArray[np.int64], game: Game) -> Tensor:
        """Of logits (B, M) for rows of the table (B,)."""
        return F.binary_cross_entropy_with_logits(logits, self._shares(rows, game).to(logits))

    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Masks u (B, T) and v (B, K) bool."""
        best = (logits.sigmoid() * self._gains.to(logits)).argmax(1)
        frames, stages = self._masks[best.cpu()].tensor_split([self._num_frames], 1)
        return frames, stages

    def _shares(self, rows: NDArray[np.int64], game: Game) -> Tensor:
        """(B, M)."""
        right, wrong = outcomes(game.table, game.reward, rows)
        if wrong is None:
            return torch.from_numpy(right)
        paid = right * self._pays + wrong * self._least
        return torch.from_numpy((paid - self._least) / (2 - self._least))
