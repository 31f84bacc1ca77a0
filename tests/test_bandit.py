"""The batched core: draws, pulls and their outcomes."""

from __future__ import annotations

import numpy as np
import pytest

from ada3d_gym.bandit import ClipBandit
from tests.synthetic import TableClips, needs, table_bandit


@pytest.fixture
def known() -> ClipBandit:
    """Three videos of classes 0, 1 and {2, 0}; each is recognised when frame 0 is kept."""
    source = TableClips([(0,), (1,), (2, 0)], 3, num_frames=4)
    return table_bandit(source, needs([([0], [])] * 3, [0, 1, 2], 3), num_stages=2, gamma=3.0)


def masks(*rows: str) -> np.ndarray:
    return np.array([[bit == "1" for bit in row] for row in rows])


def test_an_outcome_says_what_happened_to_each_clip(known: ClipBandit):
    outcome = known.pull(np.array([0, 1, 1]), masks("1100", "1111", "0111"), masks("10", "00", "11"))
    assert outcome.correct.tolist() == [True, True, False]
    assert outcome.prediction.tolist() == [0, 1, 2]
    assert outcome.label.tolist() == [0, 1, 1]
    assert outcome.reward_frames.tolist() == [0.5, 0, -3]
    assert outcome.reward_stages.tolist() == [0.75, 1, -3]
    assert outcome.reward.tolist() == [1.25, 1, -6]
    assert outcome.frames.tolist() == [2, 4, 3]
    assert outcome.stages.tolist() == [1, 0, 2]
    assert outcome.macs.tolist() == [3, 4, 5]
    assert outcome.no_frames.tolist() == [False] * 3
    assert outcome.confidence == pytest.approx([0.9] * 3)
    assert outcome.scores.shape == (3, 3)


def test_any_of_a_videos_labels_is_right(known: ClipBandit):
    outcome = known.pull(np.array([2, 2]), masks("1000", "0100"), masks("00", "00"))
    assert outcome.prediction.tolist() == [2, 0]
    assert outcome.label.tolist() == [2, 2]
    assert outcome.correct.tolist() == [True, True]


def test_a_clip_without_frames_is_wrong_and_costs_nothing(bandit: ClipBandit):
    ids = np.arange(28) * bandit.source.views  # every class twice, so also the class that an argmax of zeros would name
    u = np.zeros((28, 8), np.bool_)
    u[::4, 3] = True
    outcome = bandit.pull(ids, u, np.ones((28, 5), np.bool_))
    empty = ~u.any(1)
    assert outcome.no_frames.tolist() == empty.tolist()
    for value, expected in (
        (outcome.correct, False),
        (outcome.prediction, -1),
        (outcome.confidence, 0),
        (outcome.reward_frames, -1),
        (outcome.reward_stages, -1),
        (outcome.macs, 0),
        (outcome.frames, 0),
    ):
        assert (value[empty] == expected).all()
    assert (outcome.prediction[~empty] >= 0).all()
    assert (outcome.macs[~empty] > 0).all()


def test_outcomes_do_not_depend_on_the_batch(bandit: ClipBandit):
    rng = np.random.default_rng(0)
    ids = rng.integers(len(bandit.source), size=12)
    u, v = rng.random((12, 8)) < 0.6, rng.random((12, 5)) < 0.5
    together = bandit.pull(ids, u, v)
    for i in range(12):
        alone = bandit.pull(ids[i : i + 1], u[i : i + 1], v[i : i + 1])
        assert alone.scores[0] == pytest.approx(together.scores[i], abs=1e-5)
        assert alone.macs[0] == together.macs[i]


@pytest.mark.parametrize(
    ("u", "v", "told"),
    [
        (np.ones((2, 3), bool), np.ones((2, 2), bool), r"frame mask u: .*\(2, 3\), expected bool of shape \(2, 4\)"),
        (np.ones((1, 4), bool), np.ones((2, 2), bool), r"frame mask u: .*\(1, 4\)"),
        (np.ones(4, bool), np.ones((2, 2), bool), r"frame mask u: .*\(4,\)"),
        (np.ones((2, 4), np.int8), np.ones((2, 2), bool), "frame mask u: got int8"),
        (np.ones((2, 4), bool), np.ones((2, 5), bool), r"stage mask v: .*\(2, 5\), expected bool of shape \(2, 2\)"),
        (np.ones((2, 4), bool), np.ones((2, 2)), "stage mask v: got float64"),
    ],
)
def test_masks_of_another_shape_or_dtype_are_refused(known: ClipBandit, u: np.ndarray, v: np.ndarray, told: str):
    with pytest.raises(ValueError, match=told):
        known.pull(np.array([0, 1]), u, v)


@pytest.mark.parametrize("at_once", [1, 3, 28, 50])
def test_draws_are_shuffled_epochs_that_show_every_video_once(bandit: ClipBandit, at_once: int):
    bandit.seed(0)
    drawn = np.concatenate([bandit.draw(at_once) for _ in range(-(-84 // at_once))])[:84]
    epochs = drawn.reshape(3, 28)
    assert all(sorted(epoch // bandit.source.views) == list(range(28)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert len(set(drawn % bandit.source.views)) == bandit.source.views


def test_the_seed_fixes_the_order(bandit: ClipBandit):
    def order(seed: int | np.random.SeedSequence | None) -> list[int]:
        bandit.seed(seed)
        return bandit.draw(56).tolist()

    assert order(1) == order(1)
    assert order(1) == order(np.random.SeedSequence(1))
    assert order(1) != order(2)
    assert order(None) != order(None)


def test_seeding_forgets_what_was_left_of_an_epoch(bandit: ClipBandit):
    bandit.seed(5)
    fresh = bandit.draw(28).tolist()
    bandit.draw(3)
    bandit.seed(5)
    assert bandit.draw(28).tolist() == fresh
