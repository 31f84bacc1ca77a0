"""Predicting what each of all masks pays, from an outcome table."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.masks import all_masks
from ada3d_gym.networks.selection import ClipTrunk
from ada3d_gym.outcomes.expectation import outcomes, right_pays
from ada3d_gym.outcomes.table import MOST_BITS
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
    most that can be paid. (On MotionShapes, squared error of the payment did worse for "accuracy".)

    Raises:
        InputError: for a reward of one's own, and for more masks than a table holds.
    """

    def __init__(self, bandit: ClipBandit):
        self._bits = bandit.num_frames, bandit.num_stages
        if sum(self._bits) > MOST_BITS:
            raise InputError(
                f"T + K = {sum(self._bits)} make {2 ** sum(self._bits):,} masks, each with a value: expected T + K of "
                f"at most {MOST_BITS}; target='mask' has no such limit"
            )
        if not isinstance(bandit.reward, MaskReward):
            raise InputError(f"reward is {type(bandit.reward).__name__}: expected MaskReward, whose costs are known")
        masks = all_masks(*self._bits).astype(np.bool_)
        self._masks = torch.from_numpy(masks)
        macs = bandit.classifier.macs(*np.split(masks, [bandit.num_frames], axis=1))
        self._pays, self._least = right_pays(bandit.reward, *self._bits, macs).sum(0), -2 * bandit.reward.gamma
        margin = bandit.reward.reward == "margin"
        some = masks[:, : bandit.num_frames].any(1)  # without frames, nothing is right
        self._gains = torch.from_numpy(np.where(some, 1.0 if margin else self._pays - self._least, 0.0))

    def loss(self, logits: Tensor, game: Game, rows: NDArray[np.int64]) -> Tensor:
        """Of logits (B, M) for rows (B,) of the game's table."""
        return F.binary_cross_entropy_with_logits(logits, self._shares(game, rows).to(logits))

    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Masks u (B, T) and v (B, K) bool."""
        best = (logits.sigmoid() * self._gains.to(logits)).argmax(1)
        frames, stages = self._masks[best.cpu()].split(self._bits, 1)
        return frames, stages

    def _shares(self, game: Game, rows: NDArray[np.int64]) -> Tensor:
        """(B, M)."""
        right, wrong = outcomes(game.table, game.reward, rows)
        if wrong is None:
            return torch.from_numpy(right)
        paid = right * self._pays + wrong * self._least
        return torch.from_numpy((paid - self._least) / (2 - self._least))
