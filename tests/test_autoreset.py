"""How the next episodes of the vector face begin: as in Gymnasium's own vector environments, in each mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils import performance
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers.vector import (
    DtypeObservation,
    FlattenObservation,
    NormalizeObservation,
    NormalizeReward,
    RecordEpisodeStatistics,
    ReshapeObservation,
)

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.envs.env import Ada3DEnv
from ada3d_gym.envs.vector_env import Ada3DVectorEnv
from ada3d_gym.envs.wrappers import VectorCodedAction, VectorHeadRewards
from ada3d_gym.masks import ActionError
from tests.ids import SOME
from tests.orders import in_one_order

N = 4
RELEASE = tuple(map(int, gym.__version__.split(".")[:2]))
MODES = {"same_step": AutoresetMode.SAME_STEP, "next_step": AutoresetMode.NEXT_STEP, "disabled": AutoresetMode.DISABLED}


@pytest.fixture(scope="module")
def features(cache_folder: object) -> ClipBandit:
    """Features of frames, and outcomes from a table: quick steps."""
    return build_bandit(split="test", videos=28, observation="features", outcomes="table")


def gymnasiums(bandit: ClipBandit, mode: str) -> SyncVectorEnv:
    """N single environments that share a core and an order, as the N of the vector face do."""
    return SyncVectorEnv(in_one_order(Ada3DEnv, bandit, N), autoreset_mode=MODES[mode])


def masks() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    while True:
        yield rng.integers(0, 2, (N, 13), np.int8)


def play(envs: VectorEnv[Any, Any, Any], partial: bool) -> list[tuple[Any, ...]]:
    """Seven steps; where resets are disabled, the user's own between them; `partial`: one of only some environments."""
    seed = (
        7 if isinstance(envs.unwrapped, Ada3DVectorEnv) else [7, None, None, None]
    )  # a seed starts the shared order afresh
    played: list[tuple[Any, ...]] = [envs.reset(seed=seed)]
    some = np.array([True, False, False, True])
    for number, actions in zip(range(7), masks(), strict=False):
        step = envs.step(actions)
        played.append(step)
        if partial and number in (0, 3):
            played.append(envs.reset(options={"reset_mask": some.copy()}))
        if envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED:
            left = ~some if partial and number in (0, 3) else step[2]
            played.append(envs.reset(options={"reset_mask": left.copy()}))
    return played


@pytest.mark.parametrize("partial", [False, True], ids=["all end together", "some are reset by hand"])
@pytest.mark.parametrize("mode", MODES)
def test_every_step_is_that_of_gymnasiums_own(mode: str, partial: bool, features: ClipBandit):
    own = play(gymnasiums(features, mode), partial)
    ours = play(Ada3DVectorEnv(N, features, autoreset_mode=mode), partial)
    for expected, got in zip(own, ours, strict=True):
        for one, other in zip(expected[:-1], got[:-1], strict=True):
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)
        same_infos(expected[-1], got[-1])


def same_infos(own: dict[str, Any], ours: dict[str, Any]) -> None:
    """The same keys; the same values for the environments that they are said to hold for."""
    assert own.keys() == ours.keys()
    for key, values in own.items():
        if isinstance(values, dict):
            same_infos(values, ours[key])
            continue
        assert values.dtype == ours[key].dtype
        holds = own.get(f"_{key}", np.ones(N, np.bool_))
        for one, other in zip(values[holds], ours[key][holds], strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("name", SOME)
def test_half_of_the_steps_pull_in_next_step(name: str, make: Callable[..., Any]):
    envs = make(name, maker=gym.make_vec, num_envs=N, autoreset_mode="next_step")
    pulls: list[np.ndarray] = []
    envs.unwrapped.bandit.on_pull = lambda ids, u, v: pulls.append(ids)
    clips = [envs.reset(seed=0)[1]["clip"]]
    for number in range(4):
        _, rewards, terminated, _, infos = envs.step(envs.action_space.sample())
        assert (terminated.all() and rewards.all()) if number % 2 == 0 else not (terminated.any() or rewards.any())
        clips.append(infos["clip"])
    assert [np.array_equal(*pair) for pair in pairwise(clips)] == [True, False, True, False]
    assert np.array_equal(pulls, [clips[0], clips[2]])


def test_a_step_that_only_resets_does_not_look_at_its_actions(features: ClipBandit):
    envs = Ada3DVectorEnv(N, features, autoreset_mode="next_step")
    envs.reset(seed=0)
    envs.step(np.ones((N, 13)))
    envs.step(np.full((N, 13), np.nan))
    with pytest.raises(ActionError):
        envs.step(np.full((N, 13), np.nan))


def test_an_episode_that_is_over_must_be_reset_where_that_is_disabled(features: ClipBandit):
    envs = Ada3DVectorEnv(N, features, autoreset_mode="disabled")
    envs.reset(seed=0)
    envs.step(np.ones((N, 13)))
    envs.reset(options={"reset_mask": np.array([True, False, True, False])})
    with pytest.raises(gym.error.ResetNeeded, match=r"environments \[1, 3\] are over.*reset_mask"):
        envs.step(np.ones((N, 13)))
    envs.reset()
    envs.step(np.ones((N, 13)))


@pytest.mark.parametrize("mode", MODES)
def test_metadata_and_spec_tell_the_mode(mode: str):
    envs = gym.make_vec("Ada3D-MotionShapes-v1", num_envs=2, split="test", videos=2, autoreset_mode=mode)
    assert envs.metadata["autoreset_mode"] is envs.unwrapped.autoreset_mode is MODES[mode]
    assert Ada3DVectorEnv.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    again = gym.make_vec(gym.envs.registration.EnvSpec.from_json(envs.spec.to_json()))
    assert again.metadata["autoreset_mode"] is MODES[mode]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, "next_step", "NextStep"])
def test_a_mode_has_several_names(mode: str | AutoresetMode, features: ClipBandit):
    assert Ada3DVectorEnv(2, features, autoreset_mode=mode).autoreset_mode is AutoresetMode.NEXT_STEP


def test_an_unknown_mode(features: ClipBandit):
    with pytest.raises(ValueError, match="'never': expected one of 'disabled', 'next_step', 'same_step'"):
        Ada3DVectorEnv(2, features, autoreset_mode="never")


@pytest.mark.skipif(not hasattr(performance, "benchmark_vector_step"), reason="this release has no such benchmark")
@pytest.mark.parametrize("mode", MODES)
def test_gymnasiums_benchmark_runs(mode: str, features: ClipBandit):
    envs = Ada3DVectorEnv(N, features, autoreset_mode=mode)
    assert performance.benchmark_vector_step(envs, target_duration=0, seed=0) > 0


@pytest.mark.parametrize(
    "wrap",
    [
        FlattenObservation,
        NormalizeObservation,
        lambda envs: ReshapeObservation(envs, (16, 16)),
        lambda envs: DtypeObservation(envs, np.float64),
    ],
    ids=["flatten", "normalize", "reshape", "dtype"],
)
def test_wrappers_that_refuse_same_step(wrap: Callable[..., VectorEnv[Any, Any, Any]], features: ClipBandit):
    with pytest.raises((ValueError, AssertionError)):
        wrap(Ada3DVectorEnv(N, features))
    own = play(wrap(gymnasiums(features, "next_step")), partial=False)
    ours = play(wrap(Ada3DVectorEnv(N, features, autoreset_mode="next_step")), partial=False)
    for expected, got in zip(own, ours, strict=True):
        assert np.array_equal(expected[0], got[0])


FAULTY = pytest.mark.skipif(RELEASE < (1, 4), reason="this release of Gymnasium is wrong here: see docs/wrappers.md")


@pytest.mark.parametrize("mode", [pytest.param("same_step", marks=FAULTY), "next_step"])
def test_episode_statistics(mode: str, features: ClipBandit):
    envs = RecordEpisodeStatistics(Ada3DVectorEnv(N, features, autoreset_mode=mode))
    envs.reset(seed=0)
    for _, actions in zip(range(6), masks(), strict=False):
        _, rewards, terminated, _, infos = envs.step(actions)
        if terminated.any():
            assert infos["episode"]["r"] == pytest.approx(rewards)
            assert (infos["episode"]["l"] == 1).all()
    assert envs.episode_count == (6 * N if mode == "same_step" else 3 * N)


@FAULTY
@pytest.mark.parametrize("mode", ["same_step", "next_step"])
def test_rewards_are_normalised_by_those_that_were_paid(mode: str, features: ClipBandit):
    envs = NormalizeReward(Ada3DVectorEnv(N, features, autoreset_mode=mode))
    envs.reset(seed=0)
    paid: list[float] = []
    for _, actions in zip(range(40), masks(), strict=False):
        _, rewards, terminated, *_ = envs.step(actions)
        paid += (rewards[terminated] * np.sqrt(envs.return_rms.var + envs.epsilon)).tolist()
    assert envs.return_rms.var == pytest.approx(np.var(paid), rel=1e-3)


def test_the_packages_own_wrappers_in_next_step(features: ClipBandit):
    envs = VectorHeadRewards(VectorCodedAction(Ada3DVectorEnv(N, features, autoreset_mode="next_step"), "discrete"))
    envs.reset(seed=0)
    for number in range(4):
        _, rewards, terminated, _, infos = envs.step(envs.action_space.sample())
        assert terminated.all() == (number % 2 == 0)
        told = infos["reward_frames"] if number % 2 == 0 else np.zeros(N)
        assert np.array_equal(rewards[:, 0], told)
