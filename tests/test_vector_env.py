"""The batched Gymnasium face, for every registered id."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.vec_env import SubprocVecEnv

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.envs.env import Ada3DEnv
from ada3d_gym.envs.vector_env import Ada3DVectorEnv
from ada3d_gym.masks import ActionError
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.registration import ENVIRONMENTS
from tests.ids import ALWAYS

COUNTS = [  # so many at once always for one id only
    pytest.param(name, count, marks=[pytest.mark.slow] * (name not in (ALWAYS[:1] if count > 8 else ALWAYS)))
    for name in ENVIRONMENTS
    for count in (1, 8, 256)
]


@pytest.mark.parametrize(("name", "count"), COUNTS)
def test_gymnasium_makes_it_for_every_id(name: str, count: int, make: Callable[..., Any]):
    envs = make(name, maker=gym.make_vec, num_envs=count, vectorization_mode="vector_entry_point")
    assert isinstance(envs.unwrapped, Ada3DVectorEnv)
    observations, _ = envs.reset(seed=0)
    assert observations in envs.observation_space
    observations, rewards, terminated, truncated, _ = envs.step(envs.action_space.sample())
    assert observations in envs.observation_space
    assert rewards.shape == terminated.shape == truncated.shape == (count,)
    assert terminated.all()
    assert not truncated.any()
    envs.close()


def test_no_step_is_wasted_on_a_reset(bandit: ClipBandit):
    envs = Ada3DVectorEnv(8, bandit)
    _, infos = envs.reset(seed=0)
    shown, judged = [infos["clip"]], []
    for _ in range(3):
        *_, infos = envs.step(np.ones((8, 13), np.int8))
        shown.append(infos["clip"])
        judged.append(infos["final_info"]["clip"])
    assert np.array_equal(judged, shown[:-1])


def test_its_infos_have_the_form_of_gymnasiums_own_vector_environment(bandit: ClipBandit):
    own = SyncVectorEnv([lambda: Ada3DEnv(bandit)] * 4, autoreset_mode=AutoresetMode.SAME_STEP)
    ours = Ada3DVectorEnv(4, bandit)

    def form(infos: dict[str, Any]) -> dict[str, Any]:
        return {key: form(each) if isinstance(each, dict) else (each.dtype, each.shape) for key, each in infos.items()}

    assert form(own.reset(seed=0)[1]) == form(ours.reset(seed=0)[1])
    masks = np.ones((4, 13), np.int8)
    assert form(own.step(masks)[4]) == form(ours.step(masks)[4])


def test_the_seed_decides_the_clips(bandit: ClipBandit):
    envs = Ada3DVectorEnv(8, bandit)
    first, second, other = (envs.reset(seed=seed)[1]["clip"] for seed in (3, 3, 4))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    listed, same, others = (envs.reset(seed=list(range(at, at + 8)))[1]["clip"] for at in (3, 3, 4))
    assert np.array_equal(listed, same)
    assert not np.array_equal(listed, others)


def test_some_environments_can_be_reset_alone(bandit: ClipBandit):
    envs = Ada3DVectorEnv(4, bandit)
    before, infos = envs.reset(seed=0)
    mask = np.array([True, False, False, True])
    after, reset = envs.reset(options={"reset_mask": mask.copy()})
    assert np.array_equal(after[~mask], before[~mask])
    assert np.array_equal(reset["_clip"], mask)
    assert (reset["clip"] == infos["clip"]).tolist() == (~mask).tolist()
    assert np.array_equal(envs.step(np.ones((4, 13)))[4]["final_info"]["clip"], reset["clip"])
    for bad in (np.ones(3, np.bool_), np.ones(4), [True] * 4, np.zeros(4, np.bool_)):
        with pytest.raises(ValueError, match="reset_mask"):
            envs.reset(options={"reset_mask": bad})


def test_observations_and_infos_belong_to_the_caller(bandit: ClipBandit):
    envs = Ada3DVectorEnv(2, bandit)
    first, infos = envs.reset(seed=0)
    kept, clips = first.copy(), infos["clip"].copy()
    first[:], infos["clip"][:] = 0, -1
    *_, infos = envs.step(np.ones((2, 13)))
    assert np.array_equal(np.stack(infos["final_obs"]), kept)
    assert np.array_equal(infos["final_info"]["clip"], clips)


def test_it_renders_every_clip(bandit: ClipBandit):
    envs = Ada3DVectorEnv(3, bandit, render_mode="rgb_array")
    envs.reset(seed=0)
    sheets = envs.render()
    assert len(sheets) == 3
    assert {sheet.dtype for sheet in sheets} == {np.dtype(np.uint8)}


@pytest.mark.parametrize(
    "actions",
    [np.ones(13), np.ones((3, 13)), np.ones((2, 12)), np.full((2, 13), np.nan), np.full((2, 13), 2), "mask", None],
    ids=["one mask", "too many", "too short", "NaN", "twos", "text", "nothing"],
)
def test_actions_that_are_no_masks(bandit: ClipBandit, actions: Any):
    envs = Ada3DVectorEnv(2, bandit)
    envs.reset(seed=0)
    with pytest.raises(ActionError, match="8 frame bits and 5 stage bits, each 0 or 1, for each of 2 environments"):
        envs.step(actions)
    envs.step(np.ones((2, 13)))


def test_out_of_turn(bandit: ClipBandit):
    envs = Ada3DVectorEnv(2, bandit)
    with pytest.raises(gym.error.ResetNeeded, match=r"call reset\(\)"):
        envs.step(np.ones((2, 13)))
    envs.reset()
    envs.close()
    for call in (envs.reset, lambda: envs.step(np.ones((2, 13)))):
        with pytest.raises(gym.error.ClosedEnvironmentError, match="make a new one"):
            call()


def test_arguments_out_of_range(bandit: ClipBandit):
    with pytest.raises(ValueError, match="num_envs=0"):
        Ada3DVectorEnv(0, bandit)
    with pytest.raises(ValueError, match=r"'human'.*'rgb_array'"):
        Ada3DVectorEnv(1, bandit, render_mode="human")


HAS_FORK = "fork" in multiprocessing.get_all_start_methods()


@pytest.fixture
def two_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.mark.skipif(not HAS_FORK, reason="this system has no fork")
@pytest.mark.parametrize("face", ["gymnasium", "stable_baselines3"])
def test_forked_environments_step_after_those_of_their_parent(
    face: str, bandit: ClipBandit, make: Callable[..., Any], two_threads: None
):
    """OpenMP's threads, which the parent has by then, do not survive the fork."""
    here = Ada3DVectorEnv(16, bandit)
    here.reset(seed=0)
    here.step(np.ones((16, 13)))
    if face == "gymnasium":
        envs = make("Ada3D-MotionShapes-v1", maker=gym.make_vec, num_envs=2, vectorization_mode="async")
        envs.reset_async(seed=0)
        envs.reset_wait(timeout=120)
        envs.step_async(np.ones((2, 13), np.int8))
        rewards = envs.step_wait(timeout=120)[1]
        envs.close(terminate=True)
    else:
        envs = SubprocVecEnv([lambda: make("Ada3D-MotionShapes-v1")] * 2, start_method="fork")
        envs.reset()
        rewards = envs.step(np.ones((2, 13), np.int8))[1]
        envs.close()
    assert np.isfinite(rewards).all()


def test_a_gpu_in_a_forked_process_asks_for_spawn(bandit: ClipBandit, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    with pytest.raises(ValueError, match=r"device='cuda'.*spawn"):
        NetworkClassifier(bandit.classifier.network, 32, device="cuda")
