"""The three faces of one core: the same clips, masks and seed give the same observations, rewards and infos."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from ada3d_gym.envs.infos import each
from ada3d_gym.sb3 import make_vec
from tests.ids import SOME

ENVS, STEPS = 4, 3
Played = list[tuple[Any, float, dict[str, Any]]]


@pytest.mark.parametrize("name", SOME)
def test_all_faces_say_the_same(name: str, make: Callable[..., Any]):
    options = {"gamma": 2.0, "videos": 7}
    env = make(name, **options)
    masks = np.random.default_rng(0).integers(0, 2, (STEPS, ENVS, env.action_space.n), np.int8)
    masks[0, 0, : env.unwrapped.bandit.num_frames] = 0
    single = play_single(env, masks)
    same(single, play_vector(make(name, maker=gym.make_vec, num_envs=ENVS, **options), masks))
    same(single, play_sb3(make(name, maker=make_vec, num_envs=ENVS, **options), masks))


@pytest.mark.parametrize("observation", ["pixels", "features", "index"])
@pytest.mark.parametrize("order", ["epochs", "iid"])
def test_in_any_order_and_whatever_is_shown(observation: str, order: str, make: Callable[..., Any]):
    name, options = "Ada3D-MotionShapes-v1", {"observation": observation, "order": order}
    masks = np.random.default_rng(1).integers(0, 2, (STEPS, ENVS, 13), np.int8)
    single = play_single(make(name, **options), masks)
    same(single, play_vector(make(name, maker=gym.make_vec, num_envs=ENVS, **options), masks))
    same(single, play_sb3(make(name, maker=make_vec, num_envs=ENVS, **options), masks))


def play_single(env: gym.Env[Any, Any], masks: np.ndarray) -> Played:
    played: Played = []
    for number, mask in enumerate(masks.reshape(-1, masks.shape[-1])):
        observation, _ = env.reset(seed=7 if number == 0 else None)
        _, reward, _, _, info = env.step(mask)
        played.append((observation, reward, info))
    return played


def play_vector(envs: gym.vector.VectorEnv[Any, Any, Any], masks: np.ndarray) -> Played:
    played: Played = []
    observations, _ = envs.reset(seed=7)
    for batch in masks:
        following, rewards, _, _, infos = envs.step(batch)
        assert all(np.array_equal(*pair) for pair in zip(infos["final_obs"], observations, strict=True))
        final = {key: value for key, value in infos["final_info"].items() if not key.startswith("_")}
        played += zip(observations, rewards, each(final), strict=True)
        observations = following
    return played


def play_sb3(envs: Any, masks: np.ndarray) -> Played:
    played: Played = []
    envs.seed(7)
    observations = envs.reset()
    for batch in masks:
        following, rewards, dones, infos = envs.step(batch.astype(np.float32))
        assert dones.all()
        played += zip(observations, rewards, infos, strict=True)
        observations = following
    return played


def same(one: Played, other: Played) -> None:
    for (observation, reward, info), (observation_, reward_, info_) in zip(one, other, strict=True):
        assert np.array_equal(observation, observation_)
        assert reward == pytest.approx(float(reward_))
        assert info.keys() == info_.keys()
        for key, value in info.items():
            assert type(value) is type(info_[key])
            assert info_[key] == (pytest.approx(value, abs=1e-5) if isinstance(value, float) else value)


@pytest.mark.parametrize("shown", [False, True])
def test_no_face_says_what_a_clip_is_before_it_is_judged_unless_asked_to(shown: bool, make: Callable[..., Any]):
    name, options = "Ada3D-MotionShapes-v1", {"videos": 5} | ({"label_at_reset": True} if shown else {})
    told = {"clip", "video", "label", "label_name", "family"} if shown else {"clip"}
    env = make(name, **options)
    assert env.reset(seed=0)[1].keys() == told
    assert env.step(env.action_space.sample())[-1].keys() >= {"clip", "video", "label", "label_name", "family"}
    for mode in ("same_step", "next_step"):
        envs = make(name, maker=gym.make_vec, num_envs=2, autoreset_mode=mode, **options)
        assert of_batch(envs.reset(seed=0)[1]) == told
        *_, infos = envs.step(envs.action_space.sample())
        if mode == "same_step":
            assert of_batch(infos) - {"final_obs", "final_info"} == told
            assert of_batch(infos["final_info"]) >= {"label", "correct"}
    sb3 = make(name, maker=make_vec, num_envs=2, **options)
    sb3.reset()
    assert sb3.reset_infos[0].keys() == told


def of_batch(infos: dict[str, Any]) -> set[str]:
    return {name for name in infos if not name.startswith("_")}


@pytest.mark.parametrize("kind", ["one bandit", "one classifier"])
def test_two_environments_that_share_a_core_have_orders_of_their_own(kind: str, make: Callable[..., Any]):
    name, options = "Ada3D-MotionShapes-v1", {"videos": 7}
    alone = make(name, **options)
    expected = [clips_of(alone, seed) for seed in (1, 2)]
    first = make(name, **options)
    if kind == "one bandit":
        second = type(first.unwrapped)(first.unwrapped.bandit)
    else:
        second = make(name, classifier=first.unwrapped.bandit.classifier, **options)
    told = [[env.reset(seed=seed)[1]["clip"]] for env, seed in ((first, 1), (second, 2))]
    for _ in range(9):
        for env, clips in zip((first, second), told, strict=True):
            clips.append(env.reset()[1]["clip"])
    assert told == expected
    assert expected[0] != expected[1]


def clips_of(env: gym.Env[Any, Any], seed: int) -> list[int]:
    return [env.reset(seed=seed if episode == 0 else None)[1]["clip"] for episode in range(10)]
