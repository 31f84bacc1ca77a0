"""Which of several policies is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from ada3d_gym.experiments.own.choosing import Policy, best_of
from tests.experiments.lines import result


def policy(gamma: float, clip_top1: float) -> Policy:
    return Policy(gamma, Path(), result("Upper", clip_top1=90.0), result("policy", clip_top1=clip_top1))


@pytest.mark.parametrize(
    ("right", "kept"), [((90, 95), 6), ((89.0, 95), 6), ((88, 89.5), 18), ((80, 85), 18), ((85, 80), 6)]
)
def test_the_first_that_loses_nothing_else_the_one_that_loses_least(right: tuple[float, float], kept: float):
    policies = [policy(gamma, each) for gamma, each in zip((6.0, 18.0), right, strict=True)]
    assert best_of(policies).gamma == kept
