"""The Stable-Baselines3 face, and its algorithms on it."""

from __future__ import annotations

import gc
import json
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from sb3_contrib import TRPO
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.vec_env import VecMonitor

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.errors import InputError
from ada3d_gym.evaluation import evaluate
from ada3d_gym.masks import ActionError
from ada3d_gym.observers import Observation
from ada3d_gym.sb3 import Ada3DVecEnv, PixelExtractor, SelectionPolicy, make_vec, policy_kwargs, selection_kwargs
from ada3d_gym.sb3.wrappers import VecCodedAction
from ada3d_gym.video.clip_decoder import ClipDecoder
from tests.processes import run

ALGORITHMS = {
    "PPO": (PPO, {"n_steps": 4, "batch_size": 16, "n_epochs": 2}),
    "A2C": (A2C, {"n_steps": 4}),
    "TRPO": (TRPO, {"n_steps": 4, "batch_size": 16}),
}


def small(observation: Observation) -> Ada3DVecEnv:
    return Ada3DVecEnv(8, build_bandit(split="test", videos=14, observation=observation))


@pytest.mark.parametrize("observation", ["pixels", "features", "index"])
@pytest.mark.parametrize(
    "algorithm", ["PPO", *(pytest.param(name, marks=pytest.mark.slow) for name in ("A2C", "TRPO"))]
)
def test_on_policy_algorithms_learn_the_papers_heads(algorithm: str, observation: Observation, tmp_path: Path):
    make, options = ALGORITHMS[algorithm]
    env = small(observation)
    settings = selection_kwargs(env.bandit)
    model = make(SelectionPolicy, VecMonitor(env), policy_kwargs=settings, seed=0, device="cpu", **options)
    before = {key: value.clone() for key, value in model.policy.state_dict().items()}
    model.learn(64)
    assert len(model.ep_info_buffer) == 64
    assert {episode["l"] for episode in model.ep_info_buffer} == {1}
    changed = {key for key, value in model.policy.state_dict().items() if not torch.equal(value, before[key])}
    assert "mlp_extractor.selection.frame_head.weight" in changed
    assert not [key for key in changed if "backbone" in key or "running" in key]

    result = evaluate(env.bandit, lambda shown: model.predict(shown, deterministic=True)[0])
    assert 0 < result.usage.frames <= 8
    model.save(tmp_path / "agent", exclude=["_last_obs"])
    assert (tmp_path / "agent.zip").stat().st_size < 3e6
    again = make.load(tmp_path / "agent", device="cpu")
    shown = env.bandit.observer(np.arange(6))
    assert np.array_equal(again.predict(shown, deterministic=True)[0], model.predict(shown, deterministic=True)[0])


@pytest.mark.parametrize("observation", ["pixels", "features", "index"])
def test_any_other_policy_works_too(observation: Observation):
    env = small(observation)
    model = PPO("MlpPolicy", env, n_steps=4, batch_size=16, n_epochs=1, policy_kwargs=policy_kwargs(env.bandit))
    model.learn(32)


def test_numbers_are_looked_up_in_the_split_they_name():
    """What is learned on numbers of training clips is judged on those of test clips."""
    train, test = (build_bandit(split=split, videos=14, views=2, observation="index") for split in ("train", "test"))
    policy = PPO(SelectionPolicy, Ada3DVecEnv(4, train), n_steps=4, batch_size=8, policy_kwargs=selection_kwargs(train))
    shown = build_bandit(split="test", videos=14, views=2, observation="features")
    extract = policy.policy.features_extractor
    ids = np.array([0, 5, 27])
    for bandit, others in ((test, shown),):
        found = extract(torch.from_numpy(bandit.observer(ids)).float())
        np.testing.assert_allclose(found.numpy(), others.observer(ids).reshape(3, -1), atol=1e-5)
    both = np.concatenate([train.observer(ids), test.observer(ids)])
    mixed = extract(torch.from_numpy(both).float())
    np.testing.assert_allclose(mixed[3:].numpy(), shown.observer(ids).reshape(3, -1), atol=1e-5)
    assert not torch.allclose(mixed[:3], mixed[3:])


@pytest.mark.parametrize("of", ["features", "pixels"])
def test_a_clip_whose_number_is_shown_is_decoded_once(
    of: str, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    decoded: Counter[int] = Counter()
    decode = ClipDecoder.decode
    monkeypatch.setattr(ClipDecoder, "decode", lambda clips, ids: decoded.update(ids) or decode(clips, ids))
    env = make("Ada3D-FCVID-v0", maker=make_vec, num_envs=4, split="train", observation="index", workers=1)
    options = selection_kwargs(env.bandit, of=of)
    PPO(SelectionPolicy, env, n_steps=4, batch_size=16, policy_kwargs=options, device="cpu").learn(32)
    assert decoded.total() >= 32
    assert set(decoded.values()) == {1}


def test_what_numbers_stand_for_is_freed_with_the_model_and_its_environment():
    env = small("index")
    model = PPO("MlpPolicy", env, n_steps=4, batch_size=16, policy_kwargs=policy_kwargs(env.bandit), device="cpu")
    model.learn(32)
    source, extractor = weakref.ref(env.bandit.source), weakref.ref(model.policy.features_extractor)
    lookup = weakref.ref(model.policy.features_extractor._lookup)
    shown = env.reset()
    env.close()
    del env
    model.env = None  # the model outlives its environment, and opens its own clips
    gc.collect()
    assert source() is None
    assert model.predict(shown)[0].shape == (8, 13)
    del model
    gc.collect()
    assert extractor() is None
    assert lookup() is None


def test_a_seed_makes_the_same_policy_whether_another_lives_or_not():
    env = small("index")
    kept = [
        PPO("MlpPolicy", env, n_steps=4, batch_size=16, policy_kwargs=policy_kwargs(env.bandit), seed=3, device="cpu")
        for _ in range(2)
    ]
    one, other = (model.policy.state_dict() for model in kept)
    assert all(torch.equal(value, other[key]) for key, value in one.items())


def test_a_saved_model_finds_its_clips_in_another_process(tmp_path: Path):
    env = small("index")
    model = PPO(SelectionPolicy, env, n_steps=4, batch_size=16, policy_kwargs=selection_kwargs(env.bandit), seed=0)
    model.learn(32)
    model.save(tmp_path / "agent.zip", exclude=["_last_obs"])
    shown = env.bandit.observer(np.arange(6))
    code = f"""
import json, numpy
from stable_baselines3 import PPO
model = PPO.load({str(tmp_path / "agent.zip")!r}, device="cpu")
print(json.dumps(model.predict(numpy.array({shown.tolist()}, numpy.int32), deterministic=True)[0].tolist()))
"""
    assert json.loads(run("-c", code)) == model.predict(shown, deterministic=True)[0].tolist()


def test_pixels_and_features_of_a_frame_are_the_same_function():
    pixels, features = small("pixels"), small("features")
    ids = np.arange(5)
    extract = PPO("MlpPolicy", pixels, n_steps=4, batch_size=8, policy_kwargs=policy_kwargs(pixels.bandit)).policy
    found = extract.features_extractor(torch.from_numpy(pixels.bandit.observer(ids)).float())
    np.testing.assert_allclose(found.detach().numpy(), features.bandit.observer(ids).reshape(5, -1), atol=1e-5)


def test_what_a_policy_cannot_use_is_refused():
    env, features = small("index"), small("features")
    for bandit, options, said in (
        (env.bandit, {"train_backbone": True}, "add of='pixels'"),
        (features.bandit, {"train_backbone": True, "of": "pixels"}, "of, train_backbone would be ignored"),
        (env, {}, "expected the bandit of an environment"),
    ):
        with pytest.raises(InputError, match=said):
            A2C(SelectionPolicy, env, policy_kwargs=selection_kwargs(bandit, **options))
    with pytest.raises(InputError, match="chooses masks"):
        A2C(SelectionPolicy, VecCodedAction(env, "discrete"), policy_kwargs=selection_kwargs(env.bandit))


def test_numbers_that_are_no_clips_are_refused():
    env = small("index")
    model = A2C(SelectionPolicy, env, policy_kwargs=selection_kwargs(env.bandit))
    with pytest.raises(InputError, match="norm_obs=False"):
        model.predict(np.zeros((2, 4), np.int32))
    with pytest.raises(InputError, match=r"video 14 of test .* among 14"):
        model.predict(np.array([[2, 4, 13, 3], [2, 4, 14, 0]]))


def test_a_rollout_of_numbers_is_small():
    env = small("index")
    model = PPO("MlpPolicy", env, n_steps=512, batch_size=64, policy_kwargs=policy_kwargs(env.bandit), device="cpu")
    arrays = [value for value in vars(model.rollout_buffer).values() if isinstance(value, np.ndarray)]
    assert len(arrays) > 5
    assert sum(array.nbytes for array in arrays) < 100e6


def test_it_is_made_by_id(make: Callable[..., Any]):
    env = make("Ada3D-FCVID-v0", maker=make_vec, num_envs=2)
    assert env.bandit.source.class_names
    assert env.num_envs == 2
    assert env.get_attr("bandit") == [env.bandit] * 2
    assert env.env_is_wrapped(gym.Wrapper) == [False, False]


def test_no_last_observation_is_copied_and_the_seed_decides(bandit: ClipBandit):
    env = Ada3DVecEnv(4, bandit)

    def play(seed: int) -> list[int]:
        env.seed(seed)
        env.reset()
        clips = [info["clip"] for info in env.reset_infos]
        for _ in range(2):
            _, _, _, infos = env.step(np.ones((4, 13), np.float32))
            assert not any("terminal_observation" in info for info in infos)
            clips += [info["clip"] for info in infos]
        return clips

    assert play(1) == play(1)
    assert play(1) != play(2)


def test_it_renders(bandit: ClipBandit):
    env = Ada3DVecEnv(2, bandit, render_mode="rgb_array")
    env.reset()
    picture = env.render()
    assert picture is not None
    assert picture.shape[2] == 3


def test_misuse_is_named(bandit: ClipBandit):
    with pytest.raises(ValueError, match="unknown environment 'CartPole-v1': expected one of Ada3D-"):
        make_vec("CartPole-v1", 2)
    with pytest.raises(ValueError, match="num_envs=0"):
        Ada3DVecEnv(0, bandit)
    env = Ada3DVecEnv(2, bandit)
    with pytest.raises(gym.error.ResetNeeded, match=r"call reset\(\)"):
        env.step(np.ones((2, 13)))
    env.reset()
    with pytest.raises(ActionError, match="for each of 2 environments"):
        env.step(np.ones(13))
    env.close()
    with pytest.raises(gym.error.ClosedEnvironmentError):
        env.reset()


@pytest.mark.parametrize("trained", [False, True])
def test_the_backbone_learns_where_that_is_asked_for(trained: bool):
    env = small("pixels")
    extractor = PixelExtractor(env.observation_space, train_backbone=trained)
    features = extractor(torch.from_numpy(env.reset()))
    assert features.requires_grad == trained
    assert all(parameter.requires_grad for parameter in extractor.parameters())  # TRPO refuses others
    if trained:
        features.sum().backward()
        assert all(parameter.grad is not None for parameter in extractor.backbone.parameters())
