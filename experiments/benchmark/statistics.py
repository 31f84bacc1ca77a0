"""What runs on several tasks say together, and how sure that is.

The measures are those of Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (2021),
with the numbers of their library rliable: the interquartile mean (IQM) over all runs of all tasks, intervals by a
bootstrap that draws runs anew within each task, the probability of improvement, and performance profiles.

Tasks may have different numbers of runs. Every task then weighs the same: a run of a task with n runs weighs 1 / n of
it. With equal numbers this is what rliable computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.errors import InputError

Floats = NDArray[np.float64]
LEVEL = 95.0  # per cent of the resamples that an interval covers, as many left out below as above
SHARED = 2**22  # drawn values that are looked at together


@dataclass(frozen=True)
class Strata:
    """Runs of several tasks one after the other, N in all.

    Attributes:
        sizes: runs of each task, each at least 1.
    """

    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 1:
            raise InputError(f"runs of tasks: {self.sizes}; expected at least one task, and one run of each")

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(tasks,) where the runs of each begin."""
        return np.cumsum((0, *self.sizes[:-1]))

    @cached_property
    def weights(self) -> Floats:
        """(N,) of each run, N together; all 1 where tasks have equally many runs."""
        return np.repeat(sum(self.sizes) / len(self.sizes) / np.array(self.sizes), self.sizes)

    @property
    def even(self) -> bool:
        """Whether all tasks have equally many runs."""
        return len(set(self.sizes)) == 1

    def slices(self) -> list[slice]:
        """The runs of each task."""
        return [slice(start, start + size) for start, size in zip(self.starts.tolist(), self.sizes, strict=True)]

    def task_means(self, values: Floats) -> Floats:
        """The mean of each task (..., tasks) of values (..., N)."""
        means: Floats = np.add.reduceat(values, self.starts, axis=-1) / np.array(self.sizes)
        return means


Aggregate = Callable[[Floats, Strata], Floats]
"""Takes values (..., N) of the runs of strata, returns (...)."""


def iqm(values: Floats, strata: Strata) -> Floats:
    """Interquartile mean: of what is left when the lowest and the highest quarter of all runs are cut off.

    Whole runs are cut off, a quarter rounded down, as `scipy.stats.trim_mean` does.
    """
    count = values.shape[-1]
    cut = count // 4
    if strata.even:
        left: Floats = np.sort(values, axis=-1)[..., cut : count - cut].mean(-1)
        return left
    order = np.argsort(values, axis=-1)
    weights = strata.weights[order]
    upto = np.cumsum(weights, axis=-1)
    inside = np.clip(np.minimum(upto, count - cut) - np.maximum(upto - weights, cut), 0, None)
    kept: Floats = (np.take_along_axis(values, order, -1) * inside).sum(-1) / inside.sum(-1)
    return kept


def mean(values: Floats, strata: Strata) -> Floats:
    """The mean of the tasks' means."""
    found: Floats = strata.task_means(values).mean(-1)
    return found


def median(values: Floats, strata: Strata) -> Floats:
    """The median of the tasks' means."""
    found: Floats = np.median(strata.task_means(values), axis=-1)
    return found


def optimality_gap(values: Floats, strata: Strata) -> Floats:
    """How far below 1 runs are on average; those above 1 count as 1."""
    return 1 - mean(np.minimum(values, 1.0), strata)


@dataclass(frozen=True)
class Estimate:
    """A number, or numbers (P,), with a 95 % interval.

    Attributes:
        value: of the runs that there are.
        low, high: of the interval, of the same shape; NaN where there is none.
    """

    value: Floats
    low: Floats
    high: Floats

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return not np.isnan(self.low).any()


def exactly(value: float | Floats) -> Estimate:
    """Without an interval."""
    value = np.asarray(value, np.float64)
    none = np.full(value.shape, np.nan)
    return Estimate(value, none, none)


class Bootstrap:
    """Draws the runs of each task anew, with replacement, as many as there are.

    A task with a single run shows nothing of how runs differ: then there are no intervals.

    Args:
        strata: the runs.
        resamples: R, how often.
        sequence: what is drawn hangs on.
        exact: of values without any chance, which need no interval: one "run" of each task.
    """

    def __init__(self, strata: Strata, resamples: int, sequence: np.random.SeedSequence, *, exact: bool = False):
        if resamples < 1:
            raise InputError(f"resamples={resamples}: expected at least 1")
        self.strata, self.exact = strata, exact
        self.certain = min(strata.sizes) > 1
        """Whether there are intervals."""
        sizes = np.repeat(strata.sizes, strata.sizes)
        drawn = np.random.default_rng(sequence).integers(0, sizes, (resamples, len(sizes)))
        self.indices: NDArray[np.int64] = drawn + np.repeat(strata.starts, strata.sizes)
        """(R, N) which run stands in the place of which."""

    @cached_property
    def counts(self) -> Floats:
        """(R, N) how often each run was drawn."""
        resamples, runs = self.indices.shape
        places = self.indices + runs * np.arange(resamples)[:, None]
        return np.bincount(places.ravel(), minlength=places.size).reshape(resamples, runs).astype(np.float64)

    def estimate(self, aggregate: Aggregate, values: Floats) -> Estimate:
        """An aggregate of values (N,), or of several (P, N) at once, runs being the same ones."""
        point = np.asarray(aggregate(values, self.strata))
        if not self.certain:
            return exactly(point)
        table = values.reshape(-1, values.shape[-1])
        step = max(1, SHARED // self.indices.size)
        parts = [table[start : start + step] for start in range(0, len(table), step)]
        drawn = np.concatenate([aggregate(part[:, self.indices], self.strata) for part in parts])  # (P, R)
        return self.around(point, drawn.T.reshape(-1, *point.shape))

    def task_means(self, values: Floats) -> Estimate:
        """The mean of each task (tasks,) of values (N,)."""
        point = self.strata.task_means(values)
        return self.around(point, self.strata.task_means(values[self.indices]))

    def around(self, point: Floats, drawn: Floats) -> Estimate:
        """With the percentiles of what (R, ...) was found in each resample."""
        if not self.certain:
            return exactly(point)
        low, high = np.percentile(drawn, [50 - LEVEL / 2, 50 + LEVEL / 2], axis=0)
        return Estimate(point, low, high)


def probability_of_improvement(x: Floats, y: Floats, runs_x: Bootstrap, runs_y: Bootstrap) -> Estimate:
    """P(X > Y): how probably a run of X is better than one of Y on a task, on average over tasks; ties count half.

    That is the Mann-Whitney U of each task over the number of pairs.

    Args:
        x, y: scores (N,) and (M,) of the same tasks.
        runs_x, runs_y: their runs, which may be of different numbers; resampled as often.

    Raises:
        InputError: where there are other numbers of tasks.
    """
    slices = runs_x.strata.slices(), runs_y.strata.slices()
    if len(slices[0]) != len(slices[1]):
        raise InputError(f"runs of {len(slices[0])} and of {len(slices[1])} tasks: expected the same tasks")
    shares = []
    drawn = np.zeros(len(runs_x.indices))
    for here, there in zip(*slices, strict=True):
        ours, theirs = x[here][:, None], y[there]
        better = (ours > theirs) + 0.5 * (ours == theirs)  # (n, m)
        shares.append(better.mean())
        drawn += ((runs_x.counts[:, here] @ better) * runs_y.counts[:, there]).sum(1) / better.size
    point = np.asarray(np.mean(shares))
    if not all(runs.certain or runs.exact for runs in (runs_x, runs_y)):
        return exactly(point)
    uncertain = runs_x if runs_x.certain else runs_y
    return uncertain.around(point, drawn / len(shares))


def profile(values: Floats, thresholds: Sequence[float] | Floats, runs: Bootstrap) -> Estimate:
    """The share of runs (P,) whose scores (N,) are above each threshold (P,): a performance profile."""
    weights = runs.strata.weights / len(values)
    above = (values[:, None] > np.asarray(thresholds)) * weights[:, None]  # (N, P)
    return runs.around(above.sum(0), runs.counts @ above)
