"""Joint fine-tuning beside SB3's algorithms."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.callbacks import CallbackList, EvalCallback, EveryNTimesteps
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecMonitor

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit, build_classifier
from ada3d_gym.envs.env import Ada3DEnv
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.sb3 import Ada3DVecEnv, JointFineTuneCallback, SelectionPolicy, VecCodedAction, selection_kwargs


@pytest.fixture
def env() -> Ada3DVecEnv:
    return Ada3DVecEnv(8, build_bandit(split="test", videos=14, observation="features"))


def ppo(env: Any) -> PPO:
    options = selection_kwargs(env.unwrapped.bandit)
    return PPO(SelectionPolicy, env, n_steps=4, batch_size=16, n_epochs=1, policy_kwargs=options, seed=0, device="cpu")


def weights(bandit: ClipBandit) -> torch.Tensor:
    return torch.cat([value.detach().flatten().clone() for value in bandit.classifier.network.parameters()])


def test_the_classifier_learns_from_what_the_agent_did(env: Ada3DVecEnv):
    before = weights(env.bandit)
    seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    callback = JointFineTuneCallback(batch_size=16, steps_per_rollout=3)
    model = ppo(env)
    model.learn(1, callback=callback)  # makes the trainer
    assert callback.trainer is not None
    step = callback.trainer.step
    callback.trainer.step = lambda clips, u, v, targets: seen.append((clips, u, v)) or step(clips, u, v, targets)  # type: ignore[method-assign]
    model.learn(64, callback=callback)
    assert len(seen) == 6
    assert {len(clips) for clips, _, _ in seen} == {16}
    assert not torch.equal(weights(env.bandit), before)
    assert env.bandit.on_pull is None


def test_rewards_come_from_the_classifier_as_it_is(env: Ada3DVecEnv):
    ppo(env).learn(64, callback=JointFineTuneCallback(lr=0.1, batch_size=16))
    bandit, ids = env.bandit, np.arange(6)
    u, v = np.ones((6, 8), np.bool_), np.ones((6, 5), np.bool_)
    fresh = inference_form(bandit.classifier.network)
    with torch.inference_mode():
        expected = fresh(*(torch.from_numpy(each) for each in (bandit.source.clips(ids), u, v))).softmax(1)
    np.testing.assert_allclose(bandit.classifier.scores(bandit.source.clips(ids), u, v), expected.numpy(), atol=1e-6)


@pytest.mark.parametrize("freeze", [True, False])
def test_batch_norm_stays_where_it_should(env: Ada3DVecEnv, freeze: bool):
    network = env.bandit.classifier.network
    before = {key: value.clone() for key, value in network.named_buffers() if "running" in key}
    ppo(env).learn(32, callback=JointFineTuneCallback(batch_size=16, freeze_batch_norm=freeze))
    after = dict(network.named_buffers())
    assert all(torch.equal(after[key], value) for key, value in before.items()) is freeze


def test_it_works_through_wrappers_and_off_policy(env: Ada3DVecEnv):
    before = weights(env.bandit)
    model = DQN(
        "MlpPolicy", VecCodedAction(env, "discrete", masks="spread"), buffer_size=500, learning_starts=16, seed=0
    )
    model.learn(64, callback=JointFineTuneCallback(batch_size=16))
    assert not torch.equal(weights(env.bandit), before)


def test_both_are_saved(env: Ada3DVecEnv, tmp_path: Path):
    callback = JointFineTuneCallback(batch_size=16)
    model = ppo(env)
    model.learn(32, callback=callback)
    callback.save(tmp_path)
    clips = env.bandit.source
    again = build_classifier(clips, checkpoint=tmp_path / "classifier.safetensors")
    masks = np.ones((3, 8), np.bool_), np.zeros((3, 5), np.bool_)
    shown = clips.clips(np.arange(3))
    np.testing.assert_allclose(again.scores(shown, *masks), env.bandit.classifier.scores(shown, *masks), atol=1e-6)
    observations = env.bandit.observer(np.arange(3))
    loaded = PPO.load(tmp_path / "agent.zip", device="cpu")
    assert np.array_equal(*(each.predict(observations, deterministic=True)[0] for each in (loaded, model)))


def test_a_classifier_for_each_environment_is_refused():
    bandits = [build_bandit(split="test", videos=2, observation="features") for _ in range(2)]
    env = DummyVecEnv([lambda b=each: Ada3DEnv(b) for each in bandits])
    model = PPO("MlpPolicy", env, n_steps=4, batch_size=4)
    with pytest.raises(ValueError, match="a classifier each"):
        model.learn(8, callback=JointFineTuneCallback())


def test_environments_in_other_processes_are_refused():
    env = SubprocVecEnv([lambda: Ada3DEnv(split="test", videos=2, observation="features")], start_method="fork")
    model = PPO("MlpPolicy", env, n_steps=4, batch_size=4)
    with pytest.raises(ValueError, match="a classifier each"):
        model.learn(8, callback=JointFineTuneCallback())
    env.close()


def judged(train: ClipBandit, kind: str) -> VecEnv:
    """An environment for evaluation, with the classifier that is trained or with one of its own."""
    shared = None if kind.startswith("own") else train.classifier
    options: dict[str, Any] = {"split": "val", "videos": 14, "observation": "features", "classifier": shared}
    if "bandit" in kind:
        return VecMonitor(Ada3DVecEnv(8, train))
    if "single" in kind:
        return DummyVecEnv([lambda: Monitor(Ada3DEnv(**options))])
    if "processes" in kind:
        return SubprocVecEnv([lambda: Monitor(Ada3DEnv(**options))], start_method="fork")
    return VecMonitor(Ada3DVecEnv(8, **options))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("shared", None),
        ("shared, single", None),
        ("own", "a classifier of its own.*classifier=env.bandit.classifier"),
        ("own, single", "a classifier of its own"),
        ("own, in processes", "a classifier of its own"),
        ("shared bandit", "trained on what it judges"),
    ],
)
def test_an_evaluation_that_judges_another_classifier_is_named_once(env: Ada3DVecEnv, kind: str, told: str | None):
    judge = EvalCallback(judged(env.bandit, kind), n_eval_episodes=8, eval_freq=10**6, warn=False)
    joint = JointFineTuneCallback(batch_size=16)
    callback = CallbackList([joint, CallbackList([EveryNTimesteps(32, judge)])])
    model = ppo(env)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.learn(32, callback=callback)
        model.learn(32, callback=callback)
    found = [str(each.message) for each in caught if "EvalCallback" in str(each.message)]
    judge.eval_env.close()
    assert len(found) == (told is not None)
    assert told is None or re.search(told, found[0])


def test_the_guides_evaluation_pays_by_the_classifier_that_is_trained():
    guide = (Path(__file__).parents[2] / "docs" / "bandits-with-sb3.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    code = blocks[0].partition("env = ")[0] + next(block for block in blocks if "EvalCallback" in block)
    for written, small in (("64, ", "8, videos=14, "), ("128", "16"), ("280", "14"), ("40)", "8)"), ("30_000", "128")):
        assert written in code
        code = code.replace(written, small)
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        exec(code.replace("JointFineTuneCallback()", "JointFineTuneCallback(batch_size=16)"), names)
    train, val, ids = names["train"].bandit, names["val"].bandit, np.arange(14)
    assert np.isfinite(names["judge"].last_mean_reward)
    assert val.classifier is train.classifier
    masks = np.ones((14, 8), np.bool_), np.ones((14, 5), np.bool_)
    with torch.inference_mode():
        expected = train.classifier.network.eval()(
            *(torch.from_numpy(each) for each in (val.source.clips(ids), *masks))
        )
    np.testing.assert_allclose(val.pull(ids, *masks).scores, expected.softmax(1).numpy(), atol=1e-5)
    assert not torch.equal(weights(train), weights(build_bandit(split="val", videos=14)))


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"steps_per_rollout": 0}])
def test_arguments_out_of_range(options: dict[str, int]):
    with pytest.raises(ValueError, match="expected at least 1"):
        JointFineTuneCallback(**options)
