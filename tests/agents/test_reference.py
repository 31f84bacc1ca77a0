"""Policies that look at nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ada3d_gym.agents.reference import Fixed, Random, RandomFineTuning, matched_random
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.envs.codings import spread
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.masks import split_mask
from ada3d_gym.networks.macs import MacCounter
from ada3d_gym.networks.spec import I3D_TINY

MANY = np.zeros((4000, 8, 3, 1, 1), np.uint8)
COUNTER = MacCounter.of_spec(I3D_TINY, 32, 14)


def test_upper_keeps_everything():
    masks = Fixed.upper(8, 5).act(MANY[:3])
    assert masks.dtype == np.int8
    assert np.array_equal(masks, np.ones((3, 13)))


@pytest.mark.parametrize("num_frames", [8, 16])
def test_spread_frames_are_as_many_as_asked_and_evenly_far_apart(num_frames: int):
    for frames in range(1, num_frames + 1):
        u, v = split_mask(Fixed.spread(frames, num_frames, np.array([True, False])).act(MANY[:2]), num_frames, 2)
        assert (u.sum(1) == frames).all()
        assert v.tolist() == [[True, False]] * 2
        gaps = np.diff(np.flatnonzero(u[0]))
        assert not len(gaps) or gaps.max() - gaps.min() <= 1
        assert np.flatnonzero(u[0]).tolist() == spread(num_frames, frames).tolist()  # those of the menus of masks


def test_spread_frames_stand_in_the_middle_of_their_share():
    u, _ = split_mask(Fixed.spread(1, 9, np.ones(2, np.bool_)).act(MANY[:1]), 9, 2)
    assert np.flatnonzero(u).tolist() == [4]
    u, _ = split_mask(Fixed.spread(3, 9, np.ones(2, np.bool_)).act(MANY[:1]), 9, 2)
    assert np.flatnonzero(u).tolist() == [1, 4, 7]


@pytest.mark.parametrize("frames", [0, 9])
def test_spread_refuses_what_the_clip_does_not_have(frames: int):
    with pytest.raises(ValueError, match=f"frames={frames}"):
        Fixed.spread(frames, 8, np.ones(5, np.bool_))


@pytest.mark.parametrize("frames", [1.0, 1.3, 4.5, 7.9, 8.0])
def test_random_keeps_its_means_and_never_no_frame(frames: float):
    stages = np.array([0.0, 0.2, 0.5, 0.9, 1.0])
    u, v = split_mask(Random(frames, stages, 8, 0).act(MANY), 8, 5)
    kept = u.sum(1)
    assert set(kept.tolist()) <= {int(frames), int(frames) + 1} - {9}
    assert kept.mean() == pytest.approx(frames, abs=0.03)
    assert v.mean(0) == pytest.approx(stages, abs=0.03)
    assert u.mean(0) == pytest.approx(np.full(8, frames / 8), abs=0.04)


def test_random_draws_any_subset_as_often_as_any_other():
    u, _ = split_mask(Random(2, np.zeros(5), 4, 0).act(MANY), 4, 5)
    subsets, counts = np.unique(u, axis=0, return_counts=True)
    assert len(subsets) == 6
    assert counts / len(MANY) == pytest.approx(np.full(6, 1 / 6), abs=0.03)


def test_random_is_reproducible_and_goes_on_differently():
    policy = Random(4, np.full(5, 0.5), 8, 3)
    first, second = policy.act(MANY[:50]), policy.act(MANY[:50])
    assert not np.array_equal(first, second)
    policy.reseed(3)
    assert np.array_equal(policy.act(MANY[:50]), first)
    assert not np.array_equal(Random(4, np.full(5, 0.5), 8, 4).act(MANY[:50]), first)


@pytest.mark.parametrize("frames", [0.5, 8.1, float("nan")])
def test_random_refuses_a_mean_that_cannot_be(frames: float):
    with pytest.raises(ValueError, match=f"frames={frames}"):
        Random(frames, np.zeros(5), 8, 0)


def learned_masks(kind: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    u, v = rng.random((500, 8)) < 0.4, rng.random((500, 5)) < 0.5
    u[:, 0] = True
    if kind == "stages where frames are many":
        v[u.sum(1) <= 3] = False
        v[u.sum(1) > 4] = True
    if kind == "everything":
        u[:], v[:] = True, True
    if kind == "one frame":
        u[:, 1:] = False
    return u, v


@pytest.mark.parametrize("kind", ["independent", "stages where frames are many", "everything", "one frame"])
def test_matched_random_spends_the_macs_of_the_masks(kind: str):
    u, v = learned_masks(kind)
    policy = matched_random(u, v, COUNTER, 0)
    drawn = split_mask(policy.act(MANY), 8, 5)
    assert COUNTER(*drawn).mean() == pytest.approx(COUNTER(u, v).mean(), rel=0.02)
    assert drawn[1].mean(0) == pytest.approx(v.mean(0), abs=0.03)


@pytest.mark.parametrize("share", [0.1, 0.5, 2.0])
def test_matched_random_spends_more_where_more_is_given(share: float):
    u, v = learned_masks("independent")
    full = COUNTER.full(8)
    policy = matched_random(u, v, COUNTER, 0, more=share * full)
    drawn = split_mask(policy.act(MANY), 8, 5)
    assert COUNTER(*drawn).mean() == pytest.approx(min(COUNTER(u, v).mean() + share * full, full), rel=0.02)


def test_a_fixed_policy_can_be_trained_under():
    policy = Fixed(np.arange(8) < 3, np.arange(5) < 1)
    policy.reseed(5)
    assert np.array_equal(policy.draw(4), policy.act(MANY[:4]))


def random_fine_tuning(seed: int = 0) -> RandomFineTuning:
    bandit: ClipBandit = build_bandit(split="val", videos=28)
    trainer = ClassifierTrainer(bandit.classifier, 0.003)
    return RandomFineTuning(bandit, Random(5, np.full(5, 0.5), 8, 9), trainer, epochs=3, batch_size=12, seed=seed)


def test_random_fine_tuning_goes_on_where_it_was_bit_for_bit():
    whole = random_fine_tuning()
    figures: list[dict[str, float]] = []
    whole.learn(2, lambda epoch, last: figures.append(last))
    first = random_fine_tuning()
    first.learn(1, lambda epoch, last: None)
    second = random_fine_tuning()
    second.load_state_dict(first.state_dict())
    resumed: list[dict[str, float]] = []
    second.learn(2, lambda epoch, last: resumed.append(last))
    assert resumed == figures[1:]
    one, other = (learner.trainer.classifier.network.state_dict() for learner in (whole, second))
    assert all((value == other[key]).all() for key, value in one.items())


def test_random_fine_tuning_trains_the_classifier():
    tuning = random_fine_tuning()
    torch.nn.init.zeros_(tuning.trainer.classifier.network.head.weight)
    losses: list[float] = []
    tuning.learn(3, lambda epoch, figures: losses.append(figures["classifier_loss"]))
    assert losses[0] > losses[1] > losses[2]
