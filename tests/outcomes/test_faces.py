"""Every face of the environment on a table says what it says on the live network."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_sb3

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.envs.wrappers import CodedAction, HeadRewards, VectorCodedAction, VectorHeadRewards
from ada3d_gym.outcomes.table import OutcomeTable
from ada3d_gym.sb3 import make_vec

Bandits = Callable[..., ClipBandit]
ID = "Ada3D-MotionShapes-SlowOnly-v1"
EXACT = ("reward", "reward_frames", "reward_stages", "correct", "label", "macs", "frames", "stages", "no_frames")


def make_env(table_path: Path, **options: Any) -> gym.Env[Any, Any]:
    return gym.make(ID, **{"split": "test", "videos": 6, "outcomes": str(table_path), **options})


@pytest.mark.parametrize("observation", ["pixels", "features", "index"])
def test_all_faces_say_what_they_say_live(observation: str, table_path: Path, table: OutcomeTable):
    options = {"split": "test", "videos": 6, "observation": observation, "views": 1}
    masks = np.random.default_rng(0).integers(0, 2, (6, 10)).astype(np.int8)
    told, live = (gym.make_vec(ID, 6, **options, **more) for more in ({"outcomes": str(table_path)}, {}))
    for env in (told, live):
        env.action_space.seed(0)
    assert told.observation_space == live.observation_space
    shown, also = told.reset(seed=3), live.reset(seed=3)
    assert np.array_equal(shown[0], also[0])
    for _ in range(3):
        (seen, reward, *_, infos), (other, paid, *_, expected) = told.step(masks), live.step(masks)
        final, wanted = infos["final_info"], expected["final_info"]
        sure = ~table.is_near_tie(table.rows(final["clip"]), masks @ (1 << np.arange(9, -1, -1)))
        assert np.array_equal(seen, other)
        assert np.array_equal(reward[sure], paid[sure])
        assert final.keys() - wanted.keys() == {"regret", "_regret"}
        assert (final["regret"] >= 0).all()
        for key in wanted.keys() - {"confidence"}:
            assert final[key].dtype == wanted[key].dtype
            assert np.array_equal(final[key][sure], wanted[key][sure]), key
    single = make_env(table_path, observation=observation)
    many = make_vec(ID, 1, split="test", videos=6, outcomes=table_path, observation=observation)
    many.seed(3)
    observations = many.reset()
    observation_of_one, info = single.reset(seed=3)
    assert np.array_equal(observations[0], observation_of_one)
    assert many.reset_infos[0] == info
    *_, info = single.step(masks[0])
    assert many.step(masks[:1])[3][0] == info
    assert {type(info[key]) for key in ("regret", "confidence")} == {float}


def test_infos_lack_what_parts_would_have_and_say_so(bare_path: Path):
    env = make_env(bare_path)
    env.reset(seed=0)
    *_, info = env.step(np.ones(10, np.int8))
    with pytest.raises(KeyError, match=r"bare\.prediction\.safetensors would"):
        info["prediction"]
    with pytest.raises(KeyError, match="no such"):
        info["no such"]
    assert "confidence" not in info
    assert info.get("confidence") is None
    assert pickle.loads(pickle.dumps(info)) == info
    envs = gym.make_vec(ID, 3, split="test", videos=6, outcomes=str(bare_path))
    envs.reset(seed=0)
    *_, infos = envs.step(np.ones((3, 10), np.int8))
    with pytest.raises(KeyError, match=r"bare\.confidence\.safetensors would"):
        infos["final_info"]["confidence"]
    venv = make_vec(ID, 2, split="test", videos=6, outcomes=bare_path)
    venv.reset()
    with pytest.raises(KeyError, match=r"bare\.confidence\.safetensors would"):
        venv.step(np.ones((2, 10), np.int8))[3][1]["confidence"]


@pytest.mark.parametrize("observation", ["pixels", "index"])
def test_both_checkers_pass(observation: str, table_path: Path, bare_path: Path):
    for path in (table_path, bare_path):
        env = make_env(path, observation=observation, render_mode="rgb_array").unwrapped
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "Your observation  has an unconventional shape", UserWarning)
            check_env(env)
            check_sb3(env)


def test_wrappers_run_unchanged(table_path: Path, on_table: Bandits):
    env = HeadRewards(CodedAction(make_env(table_path), "discrete"))
    env.reset(seed=0)
    _, reward, *_, info = env.step(1019)
    assert reward.tolist() == [info["reward_frames"], info["reward_stages"]]
    envs = gym.make_vec(ID, 4, split="test", videos=6, outcomes=str(table_path))
    wrapped = VectorHeadRewards(VectorCodedAction(envs, "box"))
    wrapped.reset(seed=0)
    _, rewards, *_, infos = wrapped.step(np.ones((4, 10)))
    assert np.array_equal(rewards[:, 0], infos["final_info"]["reward_frames"])
    spec = gym.envs.registration.EnvSpec.from_json(make_env(table_path).spec.to_json())
    assert gym.make(spec).unwrapped.bandit.classifier.table.name == str(table_path)


def test_pictures_say_what_is_known(table_path: Path, bare_path: Path):
    pictures = []
    for path in (table_path, bare_path):
        env = make_env(path, render_mode="rgb_array")
        env.reset(seed=0)
        env.step(np.ones(10, np.int8))
        pictures.append(env.render())
    assert pictures[0].shape == pictures[1].shape
    assert not np.array_equal(*pictures)
