"""The single-clip environment, for every registered id."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from ada3d_gym.envs.env import Ada3DEnv
from tests.ids import EVERY, SOME

CLIP_INFO = {"clip": int, "video": str, "label": int, "label_name": str, "family": str}
STEP_INFO = CLIP_INFO | {
    "correct": bool,
    "prediction": int,
    "confidence": float,
    "reward_frames": float,
    "reward_stages": float,
    "macs": int,
    "frames": int,
    "stages": int,
    "no_frames": bool,
}


@pytest.fixture(params=SOME, scope="module")
def env(request: pytest.FixtureRequest, make: Callable[..., Any]) -> Iterator[Ada3DEnv]:
    made = make(request.param, render_mode="rgb_array", disable_env_checker=True)
    yield made.unwrapped
    made.close()


def keep(env: Ada3DEnv, frames: int, stages: int = 0) -> np.ndarray:
    """A mask that keeps the first so many frames and stages."""
    mask = np.zeros(env.action_space.shape, np.int8)
    mask[:frames] = 1
    mask[env.bandit.num_frames : env.bandit.num_frames + stages] = 1
    return mask


@pytest.mark.parametrize("name", EVERY)
def test_gymnasiums_checker_finds_nothing_to_warn_about(name: str, make: Callable[..., Any]):
    env = make(name, render_mode="rgb_array", disable_env_checker=True).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)


def test_spaces_are_the_documented_ones(env: Ada3DEnv):
    source = env.bandit.source
    shape = (source.num_frames, 3, source.observation_size, source.observation_size)
    assert env.observation_space == gym.spaces.Box(0, 255, shape, np.uint8)
    assert env.action_space == gym.spaces.MultiBinary(env.bandit.num_frames + env.bandit.num_stages)


def test_an_episode_is_one_step_of_the_documented_types(env: Ada3DEnv):
    observation, info = env.reset(seed=1)
    assert observation in env.observation_space
    assert {key: type(value) for key, value in info.items()} == {"clip": int}
    after, reward, terminated, truncated, step_info = env.step(keep(env, 4, 2))
    assert np.array_equal(after, observation)
    assert type(reward) is float
    assert terminated is True
    assert truncated is False
    assert {key: type(value) for key, value in step_info.items()} == STEP_INFO
    assert info.items() <= step_info.items()
    assert json.loads(json.dumps(step_info)) == step_info


def test_the_reward_is_eq_4_of_what_info_says(env: Ada3DEnv):
    right = 0
    for seed in range(10):
        env.reset(seed=seed)
        frames, stages = env.bandit.num_frames - seed % 3, seed % (env.bandit.num_stages + 1)
        _, reward, _, _, info = env.step(keep(env, frames, stages))
        assert (info["frames"], info["stages"]) == (frames, stages)
        assert info["correct"] == (info["prediction"] in env.bandit.source.record(info["clip"]).labels)
        used = frames / env.bandit.num_frames, (stages / env.bandit.num_stages) ** 2
        expected = [1 - used[0], 1 - used[1]] if info["correct"] else [-1, -1]
        assert [info["reward_frames"], info["reward_stages"]] == pytest.approx(expected)
        assert reward == pytest.approx(sum(expected))
        right += info["correct"]
    assert right > 0


def test_a_mask_without_frames_is_wrong_and_free(env: Ada3DEnv):
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(keep(env, 0, env.bandit.num_stages))
    assert terminated
    assert reward == -2
    assert info["no_frames"]
    assert not info["correct"]
    assert (info["prediction"], info["confidence"], info["macs"], info["frames"]) == (-1, 0, 0, 0)
    assert (info["reward_frames"], info["reward_stages"]) == (-1, -1)


def test_the_seed_decides_everything(env: Ada3DEnv):
    def play(seed: int) -> list[object]:
        played = []
        for episode in range(16):
            observation, info = env.reset(seed=seed if episode == 0 else None)
            played += [observation.tobytes(), info, env.step(keep(env, 1 + episode % 4, episode % 3))[1:]]
        return played

    assert play(3) == play(3)
    assert play(3) != play(4)


def test_every_video_comes_once_before_any_comes_twice(env: Ada3DEnv):
    count = len(env.bandit.source.records)
    env.reset(seed=0)
    clips = [env.reset()[1]["clip"] for _ in range(2 * count - 1)][-count:]
    paths = env.bandit.source.paths(np.array(clips)) if hasattr(env.bandit.source, "paths") else clips
    assert len(set(paths)) == count


def test_observations_are_fresh_copies(env: Ada3DEnv):
    first, _ = env.reset(seed=2)
    kept = first.copy()
    first[:] = 0
    after, *_ = env.step(keep(env, 1))
    assert np.array_equal(after, kept)
    after[:] = 0
    assert np.array_equal(env.reset(seed=2)[0], kept)


def test_stepping_out_of_turn_asks_for_a_reset(env: Ada3DEnv):
    fresh = Ada3DEnv(env.bandit)
    with pytest.raises(gym.error.ResetNeeded, match=r"reset\(\)"):
        fresh.step(keep(env, 1))
    fresh.reset()
    fresh.step(keep(env, 1))
    with pytest.raises(gym.error.ResetNeeded, match=r"reset\(\)"):
        fresh.step(keep(env, 1))
    fresh.reset()
    fresh.step(keep(env, 1))


@pytest.mark.parametrize("dtype", [np.int8, np.bool_, np.float32, np.int64])
def test_the_dtype_of_an_action_makes_no_difference(env: Ada3DEnv, dtype: type):
    env.reset(seed=5)
    expected = env.step(keep(env, 3, 1))[1:]
    env.reset(seed=5)
    assert env.step(keep(env, 3, 1).astype(dtype))[1:] == expected
    env.reset(seed=5)
    assert env.step(keep(env, 3, 1).tolist())[1:] == expected


@pytest.mark.parametrize("name", SOME)
def test_a_vector_of_environments_plays_on(name: str, make: Callable[..., Any]):
    envs = make(name, maker=gym.make_vec, num_envs=2, vectorization_mode="sync")
    envs.reset(seed=1)
    for _ in range(4):
        observations, rewards, *_ = envs.step(envs.action_space.sample())
    assert observations in envs.observation_space
    assert rewards.shape == (2,)
    envs.close()
