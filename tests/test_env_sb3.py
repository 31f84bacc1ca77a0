"""Stable-Baselines3 checks the environment and trains on it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

from tests.ids import EVERY, SOME


class ClipFeatures(BaseFeaturesExtractor):
    """Mean colours of each frame: about the smallest extractor for 4-D clips, which SB3 passes as float 0 to 255."""

    def __init__(self, observation_space: gym.spaces.Box):
        frames, channels = observation_space.shape[:2]
        super().__init__(observation_space, frames * channels)
        self.scale = nn.Parameter(torch.tensor(1 / 255))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return clips.mean((3, 4)).flatten(1) * self.scale


@pytest.mark.parametrize("name", EVERY)
def test_its_checker_says_nothing_but_that_clips_need_a_policy_of_their_own(name: str, make: Callable[..., Any]):
    env = make(name).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Your observation  has an unconventional shape", UserWarning)
        check_env(env)


@pytest.mark.parametrize("name", EVERY)
def test_its_checker_says_nothing_of_numbers(name: str, make: Callable[..., Any]):
    env = make(name, observation="index").unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)


@pytest.mark.parametrize("name", SOME)
def test_ppo_trains_and_acts(name: str, make: Callable[..., Any]):
    env = make(name)
    options = {"features_extractor_class": ClipFeatures, "net_arch": [16]}
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=8, n_epochs=2, policy_kwargs=options, seed=0, device="cpu")
    before = {key: value.clone() for key, value in model.policy.state_dict().items()}
    model.learn(16)
    assert len(model.ep_info_buffer) == 16
    assert all(episode["l"] == 1 for episode in model.ep_info_buffer)
    assert any(not torch.equal(value, before[key]) for key, value in model.policy.state_dict().items())
    observation, _ = env.reset(seed=0)
    action, _ = model.predict(observation, deterministic=True)
    assert np.isfinite(env.step(action)[1])
