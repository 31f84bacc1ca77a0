"""What a policy that draws each bit by itself is paid on average: the sum over all masks, and its gradient."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ada3d_gym.errors import InputError
from ada3d_gym.masks import all_mask_bits
from ada3d_gym.outcomes.table import OutcomeTable
from ada3d_gym.rewards import Answers, MaskReward, Values


class ExpectedReward:
    """The expected rewards of both heads for probabilities of keeping each frame and each stage.

    For a clip with outcomes right and wrong (of `MaskReward`) under each of its M masks, a head with cost O gets
    sum over masks of P(mask) * (right * (1 - O) - wrong * gamma). It costs one matrix product a clip, of 2^T x 2^K
    cells, and is exact but for rounding.

    Args:
        table: of N clips.
        reward: what their outcomes pay.

    Raises:
        TableError: where the reward asks for what the table's parts do not hold.
        InputError: when it is called with other shapes, or with what are no probabilities.
    """

    def __init__(self, table: OutcomeTable, reward: MaskReward):
        self.table, self.reward = table, reward
        outcomes(table, reward, np.arange(1))  # says now what is missing
        bits = table.num_frames, table.num_stages
        self._pays = right_pays(reward, *bits, table.macs).reshape(2, 2 ** bits[0], 2 ** bits[1])

    def __call__(
        self, frames: Tensor, stages: Tensor, rows: NDArray[np.int64], *, own_gradient: bool = False
    ) -> Tensor:
        """Rewards (2, B) of the frame head and of the stage head, differentiable in the probabilities.

        Args:
            frames, stages: probabilities (B, T) and (B, K) in [0, 1], of any floating dtype and on any device.
            rows: of the table (B,).
            own_gradient: whether the gradient of each head's reward goes to that head's probabilities alone, as the
                paper's Eq. 6 has it. The rewards are the same.
        """
        self._check(frames, stages, rows)
        u, v = mask_probabilities(frames), mask_probabilities(stages)
        u_other, v_other = (u.detach(), v.detach()) if own_gradient else (u, v)
        chances = torch.stack([u, u_other], 2), torch.stack([v_other, v], 2)  # (B, 2^T, 2), (B, 2^K, 2): by head
        right, wrong = (
            None if cells is None else torch.from_numpy(cells).to(u.device, u.dtype).view(len(rows), u.shape[1], -1)
            for cells in outcomes(self.table, self.reward, rows)
        )
        assert right is not None
        gamma = self.reward.gamma
        if wrong is None:  # 1 - right: what a right answer pays is then a gain over -gamma
            return self._paid(right, *chances, gamma) - gamma
        return self._paid(right, *chances, 0.0) - gamma * _sums(wrong, *chances)

    def _check(self, frames: Tensor, stages: Tensor, rows: NDArray[np.int64]) -> None:
        expected = [(len(rows), self.table.num_frames), (len(rows), self.table.num_stages)]
        if (shapes := [tuple(frames.shape), tuple(stages.shape)]) != expected:
            raise InputError(f"probabilities of shapes {shapes} for {len(rows)} rows: expected {expected}")
        with torch.no_grad():
            if not all(((each >= 0) & (each <= 1)).all() for each in (frames, stages)):  # NaN included
                raise InputError("probabilities outside [0, 1]: give those of keeping each bit, not their logits")

    def _paid(self, right: Tensor, u: Tensor, v: Tensor, more: float) -> Tensor:
        """The sum (2, B) over masks of P(mask) * right * (1 - O + more)."""
        pays = torch.from_numpy(self._pays + more).to(u.device, u.dtype)
        if self.reward.cost == "macs":  # a cost of the whole mask, the same for both heads
            return _sums(right * pays[0], u, v)
        by_frames, by_stages = pays[0, :, -1], pays[1, -1]  # costs of a frame mask, and of a stage mask
        ones = torch.ones_like
        return _sums(
            right,
            u * torch.stack([by_frames, ones(by_frames)], 1),
            v * torch.stack([ones(by_stages), by_stages], 1),
        )


def _sums(cells: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """(2, B), for both heads the weighted sums of cells (B, 2^T, 2^K), weights (B, 2^T, 2) times (B, 2^K, 2)."""
    return (u * torch.bmm(cells, v)).sum(1).T


def mask_probabilities(keep: Tensor) -> Tensor:
    """The probabilities (B, 2^L) of all masks of L bits, in the order of their numbers, for those (B, L) of a one."""
    chances = keep.new_ones(len(keep), 1)
    for p in keep.T[:, :, None, None]:
        chances = (chances[:, :, None] * torch.cat([1 - p, p], 2)).flatten(1)
    return chances


def right_pays(reward: MaskReward, num_frames: int, num_stages: int, macs: NDArray[np.int64]) -> Values:
    """1 - O of each mask (2, M) for the frame head and the stage head; 0 for masks without frames, never right.

    Args:
        reward: whose cost it is.
        num_frames, num_stages: T and K.
        macs: of each mask (M,).
    """
    none = np.empty((len(macs), 0), np.float32)  # scores, which the paper's reward does not look at
    bits = all_mask_bits(num_frames, num_stages)
    right = Answers(np.ones(len(macs), np.bool_), none, none > 0, *bits, macs / macs[-1])
    return np.stack(replace(reward, gamma=0.0, reward="accuracy")(right))


def outcomes(
    table: OutcomeTable, reward: MaskReward, rows: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Right and wrong of `MaskReward` (B, M) on rows (B,) under all masks; None for wrong where it is 1 - right.

    Raises:
        TableError: where the reward asks for what the table's parts do not hold.
    """
    without_frames = slice(2**table.num_stages)
    if reward.reward == "accuracy":
        return table.all_correct(rows).view(np.uint8), None  # which torch converts faster than bool
    if reward.reward == "confidence":
        right = table.part("label")[rows]
        right[:, without_frames] = 0
        return right, None
    margin = table.part("label_margin")[rows]
    margin[:, without_frames] = -1
    return np.maximum(margin, 0), np.maximum(-margin, 0)
