"""Episodes by hand: what looks show, cost and pay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.masks import ActionError
from ada3d_gym.untrimmed.core import Episodes, LookingCore
from tests.untrimmed.known import KnownLooks

STOP, LOOK = 1.0, 0.0


def play(core: LookingCore, video: int, *actions: tuple[float, float]) -> tuple[Episodes, list[float]]:
    episode, rewards = core.start(np.array([video])), []
    for action in actions:
        episode, paid = core.step(episode, np.array([action]))
        rewards.append(float(paid[0]))
    return episode, rewards


def test_a_margin_is_paid_for_what_it_adds_to_the_best_so_far(known: KnownLooks):
    core = LookingCore(known, price=0)
    # video 1 is of class b: place 0 shows a (0.4), place 1 b (0.5), place 4 b (0.8), place 2 c (0.6)
    episode, rewards = play(core, 1, (0, LOOK), (0.25, LOOK), (0.5, LOOK), (1, LOOK))
    scores = [[0.4, 0.3, 0.3], [0.25, 0.5, 0.25], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1]]
    means = [np.mean(scores[: count + 1], axis=0) for count in range(4)]
    margins = [mean[1] - max(mean[0], mean[2]) for mean in means]
    best, expected = -1.0, []
    for margin in margins:
        expected.append(max(0, margin - best))
        best = max(best, margin)
    assert rewards == pytest.approx(expected, abs=1e-6)
    assert rewards[2] == 0
    assert episode.scores[0] == pytest.approx(means[-1])
    assert core.margin(episode)[0] == pytest.approx(margins[-1])
    assert sum(rewards) == pytest.approx(1 + max(margins))


def test_the_first_look_pays_for_the_memory_and_each_for_itself(known: KnownLooks):
    (_, free), (episode, paid) = (play(LookingCore(known, price=p), 1, (1, LOOK), (1, LOOK)) for p in (0, 0.5))
    assert np.subtract(free, paid) == pytest.approx([0.5 * (50 + 14) / 100, 0.5 * 14 / 100])
    assert episode.macs[0] == 50 + 2 * 14  # a place that is looked at again is paid again
    episode, paid = play(LookingCore(known, price=0.5, memory=False), 1, (1, LOOK))
    assert paid[0] == pytest.approx(free[0] - 0.5 * 14 / 100)
    assert episode.macs[0] == 14


def test_a_stop_ends_the_episode_without_a_look(known: KnownLooks):
    episode, rewards = play(LookingCore(known, price=1), 1, (1, LOOK), (0, STOP))
    assert episode.over[0]
    assert episode.places[0].tolist() == [4, -1, -1, -1, -1]
    assert rewards[1] == 0


def test_a_stop_before_the_first_look_looks(known: KnownLooks):
    core = LookingCore(known)
    (stopped, paid), (looked, same) = play(core, 1, (0.5, STOP)), play(core, 1, (0.5, LOOK))
    assert paid == same
    assert stopped.places[0].tolist() == looked.places[0].tolist() == [2, -1, -1, -1, -1]
    assert not stopped.over[0]


def test_the_last_look_ends_the_episode(known: KnownLooks):
    episode, _ = play(LookingCore(known, steps=2), 0, (0, LOOK))
    assert not episode.over[0]
    episode, _ = play(LookingCore(known, steps=2), 0, (0, LOOK), (0, LOOK))
    assert episode.over[0]


@pytest.mark.parametrize(("video", "paid"), [(1, 1.0), (0, -3.0)])
def test_an_outcome_is_paid_at_the_end_alone(video: int, paid: float, known: KnownLooks):
    core = LookingCore(known, reward="outcome", gamma=3, price=0, steps=3)
    assert play(core, video, (1, LOOK), (1, STOP))[1] == [0, paid]
    assert play(core, video, *[(1, LOOK)] * 3)[1] == [0, 0, paid]


def test_episodes_side_by_side_are_those_by_themselves(known: KnownLooks):
    core, rng = LookingCore(known), np.random.default_rng(0)
    actions = rng.random((3, 6, 2))
    actions[..., 1] *= 0.5
    together = core.start(np.arange(6))
    paid = []
    for step in actions:
        together, rewards = core.step(together, step)
        paid.append(rewards)
    for video in range(6):
        alone, rewards = play(core, video, *actions[:, video])
        assert rewards == pytest.approx(np.array(paid)[:, video])
        for name, values in core.observe(alone).items():
            assert np.array_equal(values[0], core.observe(together)[name][video])


def test_an_observation_does_not_tell_the_label(known: KnownLooks):
    other = KnownLooks()
    other.own = (known.own + 1) % 3
    for reward in ("margin", "outcome"):
        seen = []
        for looks in (known, other):
            core = LookingCore(looks, reward=reward)
            start = core.start(np.arange(6))
            after, _ = core.step(start, np.full((6, 2), 0.25))
            seen.append([core.observe(start), core.observe(after)])
        for one, same in zip(*seen, strict=True):
            assert all(np.array_equal(one[name], same[name]) for name in one)


def test_observations_are_of_their_space_new_each_time_and_flat_alike(known: KnownLooks):
    core, flat = LookingCore(known), LookingCore(known, flat=True)
    episode, _ = core.step(core.start(np.array([3])), np.array([[0.75, 0]]))
    shown = core.observe(episode)
    one = {name: values[0] for name, values in shown.items()}
    assert core.observation_space.contains(one)
    joined = np.concatenate([one[name].ravel() for name in ("memory", "clip", "scores", "place", "looks")])
    assert np.array_equal(flat.observe(episode)[0], joined)
    assert flat.observation_space.contains(joined)
    assert one["place"] == np.float32(0.75)
    assert one["looks"] == np.float32(0.2)
    for values in shown.values():
        values[:] = -7
    assert all((values >= 0).all() for values in core.observe(episode).values())
    assert "memory" not in LookingCore(known, memory=False).observation_space.spaces


def test_symmetric_actions_mean_the_same(known: KnownLooks):
    unit, symmetric = LookingCore(known), LookingCore(known, actions="symmetric")
    assert symmetric.action_space.low.tolist() == [-1, -1]
    start = unit.start(np.arange(6))
    for action in np.random.default_rng(0).random((8, 6, 2)):
        (one, paid), (other, same) = unit.step(start, action), symmetric.step(start, 2 * action - 1)
        assert np.array_equal(one.places, other.places)
        assert np.array_equal(paid, same)


def test_every_video_once_an_epoch_whatever_the_batch(known: KnownLooks):
    core = LookingCore(known)
    orders = []
    for batch in (1, 2, 3, 4):
        core.seed(5)
        orders.append(np.concatenate([core.draw(batch) for _ in range(12 // batch)]))
    assert all(np.array_equal(order, orders[0]) for order in orders)
    assert sorted(orders[0][:6]) == sorted(orders[0][6:]) == list(range(6))


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        ([[0.5, 0.5, 0.5]], r"shape \(1, 3\).*a place and whether to stop, each from 0 to 1"),
        ([0.5, 0.5], r"shape \(2,\)"),
        ([[1.5, 0]], "holds 1.5"),
        ([[np.nan, 0]], "holds nan"),
        ([["a", "b"]], "dtype"),
        ([[0.5], [0.5, 0.5]], "uneven"),
    ],
)
def test_actions_that_are_none(actions: Any, said: str, known: KnownLooks):
    core = LookingCore(known)
    with pytest.raises(ActionError, match=said):
        core.step(core.start(np.array([0])), actions)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": 0}, "steps=0.*at least 1"),
        ({"steps": 2.5}, "steps=2.5"),
        ({"price": -1}, "price=-1"),
        ({"gamma": float("nan")}, "gamma=nan"),
        ({"reward": "accuracy"}, "'accuracy': expected one of margin, outcome"),
        ({"actions": "any"}, "'any': expected one of unit, symmetric"),
        ({"flat": "no"}, "flat='no': expected True or False"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], said: str, known: KnownLooks):
    with pytest.raises(InputError, match=said):
        LookingCore(known, **options)
