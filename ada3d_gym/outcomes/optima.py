"""The best that can be done at stated penalties: by choosing for each clip, and with one mask for all."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.outcomes.oracle import best_values, first_best, payments
from ada3d_gym.outcomes.table import OutcomeTable
from ada3d_gym.rewards import Cost, MaskReward

GAMMAS = (0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 16.0)


def stated_optima(table: OutcomeTable) -> tuple[tuple[dict[str, Any], ...], NDArray[np.uint16]]:
    """For each cost and each of `GAMMAS`, as `Description.optima` and the array "optimum" of a table have them."""
    accuracy = constant_accuracy(table)
    stated, masks = list[dict[str, Any]](), list[NDArray[np.uint16]]()
    for cost in get_args(Cost):
        for gamma in GAMMAS:
            reward = MaskReward(gamma, cost)
            values, best = best_values(table, reward)
            right, wrong = payments(table, reward)
            paid = accuracy * right + (1 - accuracy) * wrong
            constant = first_best(paid)
            stated.append(
                {
                    "cost": cost,
                    "gamma": gamma,
                    "oracle": float(values.mean()),
                    "constant": constant,
                    "constant_reward": float(paid[constant]),
                    "constant_accuracy": float(accuracy[constant]),
                }
            )
            masks.append(best.astype(np.uint16))
    return tuple(stated), np.stack(masks)


def constant_accuracy(table: OutcomeTable) -> NDArray[np.float64]:
    """(M,) the share of clips that each mask is right on."""
    right = np.zeros(table.num_masks, np.int64)
    for start in range(0, len(table), 256):
        right += table.all_correct(slice(start, start + 256)).sum(0)
    share: NDArray[np.float64] = right / len(table)
    return share
