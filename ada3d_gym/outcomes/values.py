"""What policies are worth on an outcome table, exactly: values, regret, the best possible and the best constants.

table = load_table(path)
game = Game(table, MaskReward(gamma=3.0))
game.value(agent.act(observations))      # masks of all clips
game.value(np.full(13, 0.8))             # each bit drawn with this probability, for every clip alike
game.regret(masks), game.oracle().mean, game.best_constant().value
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.masks import all_masks, mask_numbers, split_mask
from ada3d_gym.outcomes.answers import TableAnswers
from ada3d_gym.outcomes.expectation import ExpectedReward, outcomes, right_pays
from ada3d_gym.outcomes.oracle import CELLS, best_values, first_best
from ada3d_gym.outcomes.table import OutcomeTable
from ada3d_gym.rewards import MaskReward, Reward, Values

Masks = NDArray[np.int8]


@dataclass(frozen=True)
class Oracle:
    """The best that there is for each clip.

    Attributes:
        values: (n,) float64, what the best mask of each clip pays.
        masks: (n, T + K) int8; of several best ones, that with the smallest number.
    """

    values: Values
    masks: Masks

    @property
    def mean(self) -> float:
        """The mean value: the upper bound of every policy."""
        return float(self.values.mean())


@dataclass(frozen=True)
class Constant:
    """One mask for many clips.

    Attributes:
        mask: (T + K,) int8.
        value: its mean reward on them.
    """

    mask: Masks
    value: float


@dataclass(frozen=True)
class GroupConstants:
    """One mask for each group of clips.

    Attributes:
        constants: by group.
        value: the mean reward over all clips.
    """

    constants: Mapping[Any, Constant]
    value: float

    def masks(self, groups: ArrayLike) -> Masks:
        """Masks (n, T + K) of clips of these groups (n,), which may be those of another table.

        Raises:
            InputError: for a group that has none.
        """
        wanted = np.asarray(groups).tolist()
        if missing := sorted({str(group) for group in wanted if group not in self.constants}):
            raise InputError(f"no constant for {', '.join(missing)}: expected some of {list(self.constants)}")
        return np.stack([self.constants[group].mask for group in wanted])


def _rows(given: ArrayLike, count: int) -> NDArray[np.int64]:
    """Row numbers (n,) of those, or of a mask (N,) of all."""
    rows = np.asarray(given)
    if rows.dtype == np.bool_ and rows.shape == (count,):
        rows = np.flatnonzero(rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or not rows.size or rows.min() < 0 or rows.max() >= count:
        raise InputError(
            f"rows {rows.dtype} of shape {rows.shape}: expected numbers of rows, 0 to {count - 1}, or a "
            f"mask of shape ({count},)"
        )
    return rows.astype(np.int64)


class Game:
    """Clips of a table and a reward: everything that a policy can earn.

    Args:
        table: the outcomes of N clips.
        reward: what they pay.
        rows: which clips (n,), by their rows in the table, or a mask (N,) of them; all by default.

    Raises:
        InputError: for a reward of one's own, whose gamma and cost are not known.
        TableError: where the reward asks for what the table's parts do not hold.
    """

    def __init__(self, table: OutcomeTable, reward: Reward, rows: ArrayLike | None = None):
        if not isinstance(reward, MaskReward):
            raise InputError(f"reward is {type(reward).__name__}: expected MaskReward, whose exact values are known")
        self.table, self.reward = table, reward
        self.rows = np.arange(len(table)) if rows is None else _rows(rows, len(table))
        self.expected_rewards = ExpectedReward(table, reward)
        """Each head's expected rewards as a torch function; its rows are the table's."""
        self._pays = right_pays(reward, table.num_frames, table.num_stages, table.macs).sum(0)

    def __len__(self) -> int:
        """n."""
        return len(self.rows)

    @property
    def families(self) -> NDArray[np.str_]:
        """(n,) names, "" where a clip has none; groups for `best_by`."""
        return self.table.families[self.rows]

    @property
    def labels(self) -> NDArray[np.int32]:
        """(n,) each clip's first label; groups for `best_by`."""
        return self.table.labels[self.rows]

    def values(self, policy: ArrayLike) -> Values:
        """What each clip is paid (n,) float64, both heads together; on average, where masks are drawn.

        Args:
            policy: of each clip (n, T + K), or of all alike (T + K,): masks of dtype bool or int, or the probability
                of each bit in [0, 1], float, which are drawn independently.

        Raises:
            InputError: for another shape, dtype or value.
        """
        bits = self.table.num_frames + self.table.num_stages
        given = np.asarray(policy)
        if given.shape not in ((bits,), (len(self), bits)):
            raise InputError(f"policy of shape {given.shape}: expected {(len(self), bits)}, or {(bits,)} for all clips")
        given = np.broadcast_to(given, (len(self), bits))
        return self._expected(given) if given.dtype.kind == "f" else self._paid(given)

    def value(self, policy: ArrayLike) -> float:
        """The mean of `values`."""
        return float(self.values(policy).mean())

    def regrets(self, policy: ArrayLike) -> Values:
        """How much less than by its best mask each clip is paid (n,), at least 0 but for rounding."""
        return self.oracle().values - self.values(policy)

    def regret(self, policy: ArrayLike) -> float:
        """The mean of `regrets`."""
        return float(self.regrets(policy).mean())

    def oracle(self) -> Oracle:
        """The best mask of each clip."""
        return self._oracle

    def best_constant(self) -> Constant:
        """The mask that pays best for all clips alike, of all M; of several, that with the smallest number."""
        return self._best_of(self.rows)

    def best_by(self, groups: ArrayLike) -> GroupConstants:
        """The best constant of each group.

        Args:
            groups: a name or number for each clip (n,), such as `families` or `labels`.
        """
        names, members = np.unique(np.asarray(groups), return_inverse=True)
        if members.shape != (len(self),):
            raise InputError(f"groups of shape {np.shape(groups)}: expected one for each of {len(self)} clips")
        constants = {name: self._best_of(self.rows[members == i]) for i, name in enumerate(names.tolist())}
        sizes = np.bincount(members)
        return GroupConstants(constants, float(np.average([each.value for each in constants.values()], weights=sizes)))

    @cached_property
    def _oracle(self) -> Oracle:
        values, numbers = best_values(self.table, self.reward, self.rows)
        return Oracle(values, self._all_masks[numbers])

    @cached_property
    def _all_masks(self) -> Masks:
        return all_masks(self.table.num_frames, self.table.num_stages)

    def _best_of(self, rows: NDArray[np.int64]) -> Constant:
        means = self._means(rows)
        best = first_best(means)
        return Constant(self._all_masks[best], float(means[best]))

    def _means(self, rows: NDArray[np.int64]) -> Values:
        """The mean reward (M,) of each mask on rows of the table."""
        right, wrong = np.zeros(self.table.num_masks), np.zeros(self.table.num_masks)
        for part in self._parts(len(rows)):
            is_right, is_wrong = outcomes(self.table, self.reward, rows[part])
            summed = is_right.sum(0, dtype=np.float64)
            right += summed
            wrong += len(is_right) - summed if is_wrong is None else is_wrong.sum(0, dtype=np.float64)
        means: Values = (right * self._pays - 2 * self.reward.gamma * wrong) / len(rows)
        return means

    def _paid(self, masks: NDArray[Any]) -> Values:
        u, v = split_mask(masks, self.table.num_frames, self.table.num_stages)
        frames, stages = self.reward(TableAnswers(self.table, self.rows, mask_numbers(u, v), u, v))
        return frames + stages

    def _expected(self, keep: NDArray[Any]) -> Values:
        if not ((keep >= 0) & (keep <= 1)).all():  # NaN included
            raise InputError("policy holds values outside [0, 1]: expected the probability of keeping each bit")
        values = np.empty(len(self))
        for part in self._parts(len(self)):
            chances = torch.from_numpy(keep[part].astype(np.float64))
            frames, stages = chances.split([self.table.num_frames, self.table.num_stages], 1)
            values[part] = self.expected_rewards(frames, stages, self.rows[part]).sum(0).numpy()
        return values

    def _parts(self, count: int) -> list[slice]:
        """Slices of `count` rows whose cells are looked at together."""
        step = max(1, CELLS // self.table.num_masks)
        return [slice(start, start + step) for start in range(0, count, step)]
