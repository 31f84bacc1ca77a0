"""A policy that was unrolled once tells what any rule would have made of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ada3d_gym.agents.looking.adaframe import AdaFrame
from ada3d_gym.agents.looking.adaframe_policy import AdaFramePolicy
from ada3d_gym.agents.looking.judging import judge, judged_videos, unroll
from ada3d_gym.agents.looking.references import EarlyExit, Uniform
from ada3d_gym.agents.looking.stopping import Confidence, Patience, Stopping, never

from .synthetic import SyntheticLooks, hidden_class


@pytest.mark.parametrize("rule", [never, Patience(0.0, 1), Patience(0.001, 2), Confidence(0.26)])
def test_of_adaframe(rule: Stopping) -> None:
    looks = hidden_class(60, 0)
    torch.manual_seed(0)
    network = AdaFrame(6, (16, 8), 4, hidden=32)
    unrolled = unroll(lambda its: AdaFramePolicy(network, 4, its), looks, network.macs(), batch=25)
    ours, theirs = unrolled.judge(rule), judge(AdaFramePolicy(network, 4, rule), looks)
    assert (ours.counts, ours.macs, ours.top1) == (theirs.counts, theirs.macs, theirs.top1)
    assert ours.map == pytest.approx(theirs.map)


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.6, 1.1])
def test_of_early_exits(threshold: float) -> None:
    looks = hidden_class(60, 0)
    unrolled = unroll(lambda its: EarlyExit(4, its), looks)
    assert unrolled.judge(Confidence(threshold)) == judge(EarlyExit(4, Confidence(threshold)), looks)


class WithBad(SyntheticLooks):
    """The first video cannot be decoded."""

    def usable(self, ids: np.ndarray) -> np.ndarray:
        return np.maximum(ids, 1)

    def undecodable(self, ids: np.ndarray) -> dict[int, Exception]:
        return {number: OSError("cut short") for number in ids.tolist() if number == 0}


def test_bad_videos_are_judged_without() -> None:
    looks = hidden_class(20, 0)
    bad = WithBad(looks.shown, looks.scores, looks.small, looks.classes)
    good = SyntheticLooks(looks.shown[1:], looks.scores[1:], looks.small[1:], looks.classes[1:])
    assert judged_videos(bad).tolist() == list(range(1, 20))
    assert judge(Uniform(3), bad) == judge(Uniform(3), good)
