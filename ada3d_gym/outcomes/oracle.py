"""The best mask of each clip, for any reward: what regret counts from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.masks import all_mask_bits
from ada3d_gym.outcomes.answers import TableAnswers
from ada3d_gym.outcomes.expectation import right_pays
from ada3d_gym.outcomes.table import OutcomeTable
from ada3d_gym.rewards import MaskReward, Reward, Values

CELLS = 2**21  # looked at together: some tens of megabytes
TIE = 1e-12  # relative: what sums in another order differ by
ASKED = 2**18  # cells that a reward is asked about together


def payments(table: OutcomeTable, reward: MaskReward) -> tuple[Values, Values]:
    """What each mask pays (M,), both heads together, where the answer is right, and where it is wrong.

    For reward="accuracy"; a mask without frames pays the same, which is what a wrong answer pays.
    """
    pays = right_pays(reward, table.num_frames, table.num_stages, table.macs).sum(0)
    wrong = np.full(table.num_masks, -2 * float(reward.gamma))
    right = np.where(np.arange(table.num_masks) < 2**table.num_stages, wrong, pays)
    return right, wrong


def first_best(values: Values) -> int:
    """The first of the largest values (M,), of masks in the order of their numbers; rounding of sums decides no tie."""
    return int(np.flatnonzero(values >= values.max() - TIE * max(1.0, float(np.abs(values).max())))[0])


def best_values(
    table: OutcomeTable, reward: Reward, rows: NDArray[np.int64] | None = None
) -> tuple[Values, NDArray[np.int64]]:
    """What the best mask of each clip pays (N,) float64, both heads together, and the first such mask's number (N,).

    Args:
        table: of N clips.
        reward: of a bandit. The paper's takes a tenth of a second for thousands of clips of 8,192 masks; others are
            asked about every mask of every clip.
        rows: those of the table to look at, all by default.

    Raises:
        TableError: where the reward asks for what the table's parts do not hold.
    """
    rows = np.arange(len(table)) if rows is None else rows
    if isinstance(reward, MaskReward) and reward.reward == "accuracy":
        return _best_right(table, reward, rows)
    return _best_of_all(table, reward, rows)


def _best_right(table: OutcomeTable, reward: MaskReward, rows: NDArray[np.int64]) -> tuple[Values, NDArray[np.int64]]:
    right, wrong = payments(table, reward)
    order = np.argsort(-right, kind="stable")
    best = np.zeros(len(rows), np.int64)
    step = max(1, CELLS // table.num_masks)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        correct = table.all_correct(rows[part])[:, order]
        first = correct.argmax(1)
        found = correct[np.arange(len(first)), first]
        best[part] = np.where(found, order[first], 0)  # mask 0 keeps nothing
    best[right[best] <= wrong[0]] = 0
    return np.where(best == 0, wrong[0], right[best]), best


def _best_of_all(table: OutcomeTable, reward: Reward, rows: NDArray[np.int64]) -> tuple[Values, NDArray[np.int64]]:
    u, v = all_mask_bits(table.num_frames, table.num_stages)
    values, best = np.empty(len(rows)), np.empty(len(rows), np.int64)
    step = max(1, ASKED // table.num_masks)
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        count = len(some)
        numbers = np.tile(np.arange(table.num_masks), count)
        bits = np.tile(u, (count, 1)), np.tile(v, (count, 1))
        frames, stages = reward(TableAnswers(table, np.repeat(some, table.num_masks), numbers, *bits))
        paid = (frames + stages).reshape(count, -1)
        best[start : start + step] = paid.argmax(1)
        values[start : start + step] = paid.max(1)
    return values, best
