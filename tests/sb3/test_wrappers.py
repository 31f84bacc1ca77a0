"""Agents that cannot act in masks train through the codings, around single environments and around vectors."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import DQN, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.envs.codings import MaskMenu, Thresholded
from ada3d_gym.envs.env import Ada3DEnv
from ada3d_gym.envs.wrappers import CodedAction
from ada3d_gym.masks import ActionError
from ada3d_gym.sb3.wrappers import VecCodedAction
from tests.test_env_sb3 import ClipFeatures

OFF_POLICY = {"buffer_size": 64, "learning_starts": 8, "batch_size": 8}
AGENTS: dict[str, tuple[type[BaseAlgorithm], dict[str, Any], dict[str, Any]]] = {
    "DQN": (DQN, OFF_POLICY | {"train_freq": 4}, {"coding": "discrete"}),
    "DQN on the spread menu": (DQN, OFF_POLICY | {"train_freq": 4}, {"coding": "discrete", "masks": "spread"}),
    "SAC": (SAC, OFF_POLICY, {"coding": "box"}),
    "TD3": (TD3, OFF_POLICY, {"coding": "box"}),
    "PPO on binary choices": (PPO, {"n_steps": 8, "batch_size": 8, "n_epochs": 2}, {"coding": "multi_discrete"}),
    "PPO on a budget": (PPO, {"n_steps": 8, "batch_size": 8}, {"coding": "frame_budget", "at_least": 2, "at_most": 2}),
}


def made() -> gym.Env[Any, Any]:
    return gym.make("Ada3D-MotionShapes-v1", split="test", videos=14)


def trained(kind: str, env: Any) -> BaseAlgorithm:
    """The agent after 16 steps each of which was an episode, and which changed its policy."""
    algorithm, options, _ = AGENTS[kind]
    policy = {"features_extractor_class": ClipFeatures, "net_arch": [16]}
    model = algorithm("MlpPolicy", env, policy_kwargs=policy, seed=0, device="cpu", **options)
    before = {key: value.clone() for key, value in model.policy.state_dict().items()}
    model.learn(16)
    assert all(episode["l"] == 1 for episode in model.ep_info_buffer)
    assert len(model.ep_info_buffer) == 16
    assert any(not value.equal(before[key]) for key, value in model.policy.state_dict().items())
    return model


@pytest.mark.parametrize("kind", AGENTS)
def test_an_agent_trains_and_its_actions_are_paid_as_the_masks_they_stand_for(kind: str):
    env = CodedAction(made(), **AGENTS[kind][2])
    model = trained(kind, env)
    observation, _ = env.reset(seed=0)
    action, _ = model.predict(observation, deterministic=True)
    played = env.step(action)[1:]
    bare = made()
    bare.reset(seed=0)
    assert bare.step(env.coding.decode(action))[1:] == played


@pytest.mark.parametrize("kind", AGENTS)
def test_an_agent_trains_on_a_vector_of_masks(kind: str, bandit: ClipBandit):
    venv = VecCodedAction(DummyVecEnv([lambda: Monitor(Ada3DEnv(bandit))] * 2), **AGENTS[kind][2])
    model = trained(kind, venv)
    actions, _ = model.predict(venv.reset())
    assert all(action in venv.action_space for action in actions)
    _, rewards, dones, infos = venv.step(actions)
    assert dones.all()
    masks = venv.coding.decode(actions)
    assert [info["frames"] for info in infos] == masks[:, :8].sum(1).tolist()
    assert [info["reward_frames"] + info["reward_stages"] for info in infos] == pytest.approx(rewards)


@pytest.mark.parametrize("coding", ["discrete", "multi_discrete", "box", "frame_budget"])
def test_its_checker_says_nothing_but_that_clips_need_a_policy_of_their_own(coding: str, bandit: ClipBandit):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Your observation  has an unconventional shape", UserWarning)
        check_env(CodedAction(Ada3DEnv(bandit), coding))


@pytest.mark.parametrize("coding", ["discrete", "multi_discrete", "box"])
def test_the_same_masks_are_paid_the_same(coding: str, bandit: ClipBandit):
    bare = DummyVecEnv([lambda: Ada3DEnv(bandit)] * 3)
    coded = VecCodedAction(DummyVecEnv([lambda: Ada3DEnv(bandit)] * 3), coding)
    masks = np.random.default_rng(0).integers(0, 2, (3, 13), np.int8)
    masks[:, 0] = 1
    played = []
    for venv, actions in ((bare, masks), (coded, coded.coding.encode(masks))):
        venv.seed(0)
        venv.reset()
        played.append([venv.step(actions)[1].tolist() for _ in range(3)])
    assert played[0] == played[1]


@pytest.mark.slow
def test_environments_in_other_processes_are_paid_as_here():
    """Whose cores decode, classify and pay on their own; only masks and what came of them travel."""
    masks = np.random.default_rng(0).integers(0, 2, (3, 2, 13), np.int8)
    played = {}
    for kind in (DummyVecEnv, SubprocVecEnv):
        venv = VecCodedAction(kind([made] * 2), Thresholded(8, 5))
        venv.seed(0)
        shown = [venv.reset()]
        paid = []
        for mask in masks:
            observations, rewards, dones, infos = venv.step(venv.coding.encode(mask))
            assert dones.all()
            shown.append(observations)
            paid.append(
                [(float(np.float32(r)), info["clip"], info["macs"]) for r, info in zip(rewards, infos, strict=True)]
            )
        venv.close()
        played[kind] = np.stack(shown), paid
    np.testing.assert_array_equal(played[DummyVecEnv][0], played[SubprocVecEnv][0])
    assert played[DummyVecEnv][1] == played[SubprocVecEnv][1]


def test_a_ready_coding_is_used_and_a_bad_action_refused(bandit: ClipBandit):
    menu = MaskMenu(8, 5, "spread")
    venv = VecCodedAction(DummyVecEnv([lambda: Ada3DEnv(bandit)] * 2), menu)
    assert venv.coding is menu
    assert venv.action_space == menu.space
    venv.reset()
    with pytest.raises(ActionError, match="expected an integer from 0 to 255, for each of 2 environments"):
        venv.step(np.zeros(3, np.int64))
    with pytest.raises(ActionError, match="holds 256"):
        venv.step(np.array([0, 256]))
    venv.step(np.array([0, 255]))
    with pytest.raises(ValueError, match=r"Discrete\(256\) are no masks"):
        VecCodedAction(venv, "box")
