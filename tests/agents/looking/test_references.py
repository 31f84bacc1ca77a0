"""Stopping rules, references and judgements."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ada3d_gym.agents.looking import places
from ada3d_gym.agents.looking.judging import judge
from ada3d_gym.agents.looking.references import EarlyExit, Oracle, RandomPlaces, Uniform
from ada3d_gym.agents.looking.stopping import Confidence, Patience, never, published_patience
from ada3d_gym.errors import InputError
from ada3d_gym.untrimmed.protocols import LookPolicy

from .synthetic import CLIP_MACS, SyntheticLooks, hidden_class

EMPTY = np.zeros((1, 3), np.float32)


def stops(rule: Patience, *utilities: float) -> list[bool]:
    watch = rule(1)
    return [bool(watch(EMPTY, np.array([each], np.float32))[0]) for each in utilities]


def test_patience_by_hand() -> None:
    # the best so far: 0.5, 0.5, 0.7, 0.7, 0.7; it exceeds V_t + 0.1 at the second, fourth and fifth look
    assert stops(Patience(0.1, 1), 0.5, 0.3, 0.7, 0.5, 0.1) == [False, True, True, True, True]
    assert stops(Patience(0.1, 2), 0.5, 0.3, 0.7, 0.5, 0.1) == [False, False, False, True, True]
    assert stops(Patience(0.1, 3), 0.5, 0.3, 0.7, 0.5, 0.1) == [False] * 4 + [True]
    assert stops(Patience(0.3, 1), 0.5, 0.3, 0.7, 0.5, 0.1) == [False] * 4 + [True]
    assert not any(stops(Patience(np.inf, 1), 0.5, -5))


def test_patience_of_videos_apart() -> None:
    watch = Patience(0.0, 1)(2)
    watch(EMPTY, np.array([0.5, 0.5], np.float32))
    assert watch(EMPTY, np.array([0.6, 0.4], np.float32)).tolist() == [False, True]
    with pytest.raises(InputError, match="times=0"):
        Patience(0.0, 0)


def test_published_patience() -> None:
    assert [published_patience(steps) for steps in (3, 5, 9, 10, 16)] == [2, 2, 2, 6, 9]


def test_places() -> None:
    assert_allclose(places.uniform(4), [0.125, 0.375, 0.625, 0.875])
    assert_allclose(places.spread(5), [0.5, 0.1, 0.9, 0.3, 0.7])
    for count in range(1, 12):
        assert_array_equal(np.sort(places.spread(count)), places.uniform(count))


def test_the_nearest_new_place() -> None:
    seen = np.array([[-1, -1], [4, -1], [4, 5], [0, 1]])
    assert_array_equal(places.nearest_new(np.array([0.4, 0.4, 0.4, 0.0]), seen, 11), [4, 3, 3, 2])
    assert_array_equal(places.nearest_new(np.array([1.0]), np.array([[1, 0]]), 2), [1])  # all were looked at


@pytest.fixture
def by_hand() -> SyntheticLooks:
    """Two videos with 4 places and 2 classes: in the first all clips are sure, in the second only the last."""
    first, second = [0.9, 0.8, 0.7, 0.6], [0.5, 0.5, 0.5, 0.1]
    scores = np.array([[[p, 1 - p] for p in each] for each in (first, second)], np.float32)
    return SyntheticLooks(
        np.zeros((2, 4, 3), np.float32), scores, np.zeros((2, 16, 5), np.float32), np.array([0, 1], np.int64)
    )


def test_uniform_by_hand(by_hand: SyntheticLooks) -> None:
    looked = Uniform(2).look(by_hand, np.array([1, 0]))
    assert_array_equal(looked.places, [[1, 2], [1, 2]])
    assert_allclose(looked.scores, [[0.5, 0.5], [0.75, 0.25]], rtol=1e-6)
    assert_array_equal(looked.macs, [2 * CLIP_MACS + 3] * 2)
    assert_allclose(Uniform(4).look(by_hand, np.array([1])).scores, [[0.4, 0.6]], rtol=1e-6)
    with pytest.raises(InputError, match="count=5: expected 1 to 4"):
        Uniform(5).look(by_hand, np.array([0]))


def test_early_exit_by_hand(by_hand: SyntheticLooks) -> None:
    looked = EarlyExit(4, Confidence(0.75)).look(by_hand, np.array([0, 1]))
    assert_array_equal(looked.places, [[1, -1, -1, -1], [1, 3, 0, 2]])
    assert_array_equal(looked.macs, [CLIP_MACS + 1, 4 * CLIP_MACS + 6])
    assert_allclose(looked.scores, [[0.8, 0.2], [0.4, 0.6]], rtol=1e-6)
    assert (EarlyExit(4, never).look(by_hand, np.array([0])).counts == 4).all()


def test_random_places_belong_to_a_video(by_hand: SyntheticLooks) -> None:
    looks = hidden_class(20, 0)
    both = RandomPlaces(3, seed=1).look(looks, np.arange(20))
    assert_array_equal(both.places[7:8], RandomPlaces(3, seed=1).look(looks, np.array([7])).places)
    assert all(len(set(row)) == 3 for row in both.places.tolist())
    assert (both.places != RandomPlaces(3, seed=2).look(looks, np.arange(20)).places).any()


def test_oracle_by_hand(by_hand: SyntheticLooks) -> None:
    looked = Oracle().look(by_hand, np.array([0, 1]))
    assert_array_equal(looked.places, [[0], [3]])
    assert_allclose(looked.scores, [[0.9, 0.1], [0.1, 0.9]], rtol=1e-6)


def test_judgement_by_hand(by_hand: SyntheticLooks) -> None:
    judgement = judge(EarlyExit(4, Confidence(0.75)), by_hand)
    assert (judgement.map, judgement.top1, judgement.clips) == (100, 100, 2.5)
    assert judgement.counts == (0, 1, 0, 0, 1)
    assert judgement.macs == (5 * CLIP_MACS + 7) / 2
    assert judge(Uniform(1), replace(by_hand, classes=np.array([1, 1]))).top1 == 0


@pytest.mark.parametrize("policy", [Uniform(3), RandomPlaces(3), EarlyExit(3, Confidence(0.6)), Oracle()])
def test_batches_change_no_judgement(policy: LookPolicy) -> None:
    looks = hidden_class(50, 0)
    assert judge(policy, looks, batch=7) == judge(policy, looks)
