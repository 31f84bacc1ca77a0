"""Measures of runs, against numbers worked out by hand and those of the library that they are known by."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, trim_mean

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.fronts import hypervolume, non_dominated
from ada3d_gym.experiments.benchmark.statistics import (
    Bootstrap,
    Strata,
    iqm,
    mean,
    median,
    optimality_gap,
    probability_of_improvement,
    profile,
)
from ada3d_gym.seeding import spawn

# Scores of two agents on three tasks, five runs and four runs.
X = [[1.01, 0.62, 0.5, 0.68, 0.65], [0.36, 0.26, -0.03, 0.31, 0.42], [0.51, 0.5, 0.81, 0.45, 0.43]]
Y = [[-0.04, 0.48, 0.45, 0.39], [0.57, -0.06, 0.28, -0.04], [0.44, 0.9, 1.01, 0.28]]

# What rliable 1.2.0 (pandas 2.3, NumPy 2.4) says of them: aggregates of `rliable.metrics`, and their intervals by
# `rliable.library.get_interval_estimates` with 50,000 resamples; with 20,000 those of the probability and the profile.
RLIABLE = {
    "x": {
        iqm: (0.4933333333, 0.44555556, 0.56555556),
        mean: (0.4986666667, 0.42066667, 0.57866667),
        median: (0.54, 0.45, 0.672),
        optimality_gap: (0.502, 0.42266667, 0.57933333),
    },
    "y": {
        iqm: (0.3866666667, 0.175, 0.525),
        mean: (0.3883333333, 0.24083333, 0.53583333),
        median: (0.32, 0.175, 0.4725),
        optimality_gap: (0.6125, 0.465, 0.75916667),
    },
}
RLIABLE_IMPROVEMENT = (0.7, 0.5, 0.91666667)
RLIABLE_PROFILE = ([0.93333333, 0.93333333, 0.4, 0.13333333], [0.8, 0.8, 0.2, 0.0], [1.0, 1.0, 0.6, 0.33333333])


def runs_of(scores: list[list[float]], resamples: int = 20_000, seed: int = 0) -> tuple[np.ndarray, Bootstrap]:
    strata = Strata(tuple(map(len, scores)))
    return np.concatenate(scores), Bootstrap(strata, resamples, spawn(seed))


@pytest.mark.parametrize("name", ["x", "y"])
def test_aggregates_and_their_intervals_are_those_of_rliable(name: str):
    values, runs = runs_of({"x": X, "y": Y}[name])
    for aggregate, (value, low, high) in RLIABLE[name].items():
        found = runs.estimate(aggregate, values)
        assert found.value == pytest.approx(value)
        assert (found.low, found.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))


def test_probability_of_improvement_is_that_of_rliable():
    (x, runs_x), (y, runs_y) = runs_of(X), runs_of(Y, seed=1)
    found = probability_of_improvement(x, y, runs_x, runs_y)
    value, low, high = RLIABLE_IMPROVEMENT
    assert found.value == pytest.approx(value)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))
    by_scipy = [mannwhitneyu(a, b).statistic / (len(a) * len(b)) for a, b in zip(X, Y, strict=True)]
    assert found.value == pytest.approx(np.mean(by_scipy))
    back = probability_of_improvement(y, x, runs_y, runs_x)
    assert back.value == pytest.approx(1 - value)
    assert (back.low, back.high) == (pytest.approx(1 - found.high), pytest.approx(1 - found.low))


def test_ties_count_half():
    (x, runs_x), (y, runs_y) = runs_of([[1, 2], [5, 5]]), runs_of([[1, 1, 3], [5, 5, 5]])
    # Of the six pairs of the first task two are ties and two are won; all of the second are ties.
    assert probability_of_improvement(x, y, runs_x, runs_y).value == pytest.approx(((2 + 2 / 2) / 6 + 1 / 2) / 2)


def test_profiles_are_those_of_rliable():
    values, runs = runs_of(X)
    found = profile(values, [0, 0.25, 0.5, 0.75], runs)
    assert found.value == pytest.approx(RLIABLE_PROFILE[0])
    assert found.low == pytest.approx(RLIABLE_PROFILE[1], abs=0.07)  # one run of fifteen
    assert found.high == pytest.approx(RLIABLE_PROFILE[2], abs=0.07)


def test_by_hand():
    values, runs = runs_of([[0.0, 0.2, 0.4, 2.0], [0.1, 0.3, 0.5, 0.9]])
    strata = runs.strata
    # In order 0, .1, .2, .3, .4, .5, .9, 2: two are cut off at each end.
    assert iqm(values, strata) == pytest.approx((0.2 + 0.3 + 0.4 + 0.5) / 4)
    assert mean(values, strata) == pytest.approx((0.65 + 0.45) / 2)
    assert median(values, strata) == pytest.approx((0.65 + 0.45) / 2)
    assert optimality_gap(values, strata) == pytest.approx(1 - (0 + 0.1 + 0.2 + 0.3 + 0.4 + 0.5 + 0.9 + 1) / 8)


def test_tasks_weigh_the_same_however_many_runs_they_have():
    few, many = [0.1, 0.9, 0.4, 0.6], [0.2, 0.3, 0.7, 0.8]
    twice, runs = runs_of([few, many * 2])
    once, _ = runs_of([few, many])
    assert mean(twice, runs.strata) == pytest.approx(once.mean())
    # A run of the second task weighs half as much: twelve in all, of which a quarter, 3, is cut off at each end. In
    # order .1 (1.5), .2 (.75 twice) make the lowest 3; .8 (.75 twice), .9 (1.5) the highest.
    assert iqm(twice, runs.strata) == pytest.approx((0.3 + 0.4 + 0.6 + 0.7) / 4)
    assert iqm(once, Strata((4, 4))) == pytest.approx(trim_mean(once, 0.25))
    above = profile(twice, [0.5], runs)
    assert above.value == pytest.approx([0.5])


def test_a_single_run_has_no_interval():
    values, runs = runs_of([[0.5], [0.1, 0.2]])
    for found in (runs.estimate(iqm, values), runs.task_means(values), profile(values, [0.3], runs)):
        assert not found.known
    other, its = runs_of([[0.3, 0.4], [0.1, 0.2]])
    assert not probability_of_improvement(values, other, runs, its).known
    exact = Bootstrap(Strata((1, 1)), 20_000, spawn(0), exact=True)  # what is known needs no second run
    assert probability_of_improvement(other, np.array([0.35, 0.0]), its, exact).value == 0.75
    assert probability_of_improvement(other, np.array([0.35, 0.0]), its, exact).known


def test_the_same_seed_draws_the_same():
    values, runs = runs_of(X, 100)
    again, other = runs_of(X, 100)[1], runs_of(X, 100, seed=1)[1]
    assert runs.estimate(iqm, values).low == again.estimate(iqm, values).low
    assert (runs.indices != other.indices).any()
    assert all(((part.start <= drawn) & (drawn < part.stop)).all() for part, drawn in by_task(runs))  # within tasks
    several = runs.estimate(iqm, np.stack([values, 2 * values]))
    assert several.low == pytest.approx([1 * several.low[0], 2 * several.low[0]])


def by_task(runs: Bootstrap) -> list[tuple[slice, np.ndarray]]:
    return [(part, runs.indices[:, part]) for part in runs.strata.slices()]


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(InputError, match="one run of each"):
        Strata((3, 0))
    with pytest.raises(InputError, match="same tasks"):
        probability_of_improvement(np.zeros(2), np.zeros(2), runs_of([[0, 0]], 9)[1], runs_of([[0], [0]], 9)[1])
    with pytest.raises(InputError, match="resamples=0"):
        runs_of(X, 0)


def test_fronts_by_hand():
    costs, gains = [3, 1, 2, 2, 5, 1], [0.9, 0.2, 0.5, 0.4, 0.9, 0.2]
    assert non_dominated(costs, gains).tolist() == [1, 2, 0]
    # Up to a cost of 4: 0.2 from 1 on, 0.5 from 2 on, 0.9 from 3 on.
    assert hypervolume(costs, gains, 4) == pytest.approx(0.2 + 0.5 + 0.9)
    assert hypervolume(costs, gains, 4, 0.3) == pytest.approx(0.2 + 0.6)
    assert hypervolume([7], [1.0], 4) == 0
    both = hypervolume([[1, 2], [2, 1]], [[0.5, 1], [1, 0.5]], 3)
    assert both == pytest.approx([1.5, 1.5])
