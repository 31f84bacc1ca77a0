"""What a report warns of, in plain words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.experiments.own.collecting import Collection, Found
from ada3d_gym.experiments.own.findings import Answers, Findings, Point, wilson
from ada3d_gym.experiments.own.runs import SAME_OPERATIONS
from ada3d_gym.experiments.own.survey import Survey
from ada3d_gym.experiments.own.warnings import warnings_of
from tests.experiments.lines import result

SURVEY = Survey(
    Collection(Path("/"), ("a", "b"), (), "splits", Counter()),
    tuple(Found(Path(f"/{number}"), number % 2) for number in range(20)),
    (),
    (),
    (),
)


def told(bandit: ClipBandit, upper: int, learned: int, rival: float, count: int = 400, saved: float = 0.5) -> str:
    """Warnings of so many right answers of `count`."""
    labels = np.arange(count) % 2

    def answers(right: int) -> Answers:
        predictions = np.where(np.arange(count) < right, labels, 1 - labels)
        return Answers(labels, predictions, np.ones(count, np.float32))

    methods = {"Upper": (upper, 1.0), "Ada3D": (learned, 1 - saved), SAME_OPERATIONS: (rival * count / 100, 0.5)}
    results = {
        name: result(name, top1=100 * right / count, gmacs=cost, gmacs_selection=0.0, milliseconds=cost)
        for name, (right, cost) in methods.items()
    }
    masks = np.ones((1, 8), np.bool_), np.ones((1, 5), np.bool_)
    points = (Point("1111111100000", int(0.4e9), rival),)
    found = Findings(results, answers(upper), answers(learned), points, bandit, np.zeros(1, np.int64), *masks)
    return "\n".join(warnings_of(found, SURVEY))


def test_all_well_is_not_warned_of(bandit: ClipBandit):
    assert told(bandit, 380, 380, 80.0) == ""


def test_a_small_test_set_is_uncertain(bandit: ClipBandit):
    assert wilson(20, 27) == pytest.approx((55.3, 86.8), abs=0.1)
    assert "The test set has 27 videos. Its accuracies are uncertain by about ± 16 points" in told(
        bandit, 20, 20, 50.0, count=27
    )


def test_chance_and_losses_and_trivial_rivals_are_named(bandit: ClipBandit):
    assert "hardly better than always naming the largest class, which is right on 50 %" in told(bandit, 210, 210, 40.0)
    assert "The policy loses 40 videos that the whole network gets right, and wins 0. So much is hardly chance" in told(
        bandit, 380, 340, 80.0
    )
    assert "The policy loses 2 videos that the whole network gets right, and wins 0. So few can be chance." in told(
        bandit, 380, 378, 80.0
    )
    assert "No policy is needed here: within its operations" in told(bandit, 380, 380, 96.0)
    assert "The policy saves nothing" in told(bandit, 380, 380, 80.0, saved=-0.1)
