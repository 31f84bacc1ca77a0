"""A reward of one's own, by itself or by its name, wherever environments are made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.evaluate import evaluate
from ada3d_gym.experiments.folders import OPTIONS
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.experiments.train import train
from ada3d_gym.rewards import Answers, Values
from ada3d_gym.sb3 import make_vec
from tests.own_rewards import ByFrames, right_or_nothing

ID = "Ada3D-MotionShapes-v1"
MASK = np.array([1, 0, 0, 0, 1, 0, 0, 1] + [0] * 5, np.int8)


@pytest.mark.parametrize("reward", [right_or_nothing, "tests.own_rewards:right_or_nothing"], ids=["itself", "name"])
@pytest.mark.parametrize("outcomes", ["live", "table"])
def test_a_function_pays(reward: Any, outcomes: str):
    env = gym.make(ID, split="test", videos=14, reward=reward, outcomes=outcomes)
    for episode in range(14):
        env.reset(seed=0 if episode == 0 else None)
        _, paid, *_, info = env.step(MASK)
        assert paid == pytest.approx(info["correct"] * 5 / 8)
        assert (info["reward_frames"], info["reward_stages"]) == (paid, 0)
        assert outcomes == "live" or info["regret"] >= 0


@pytest.mark.parametrize(
    "reward", [ByFrames, ByFrames(3.0), "tests.own_rewards:ByFrames"], ids=["class", "made", "name"]
)
def test_a_class_is_made_with_what_it_takes(reward: Any):
    for envs in (
        gym.make_vec(ID, num_envs=14, split="test", videos=14, reward=reward, gamma=3.0),
        make_vec(ID, 14, split="test", videos=14, reward=reward, gamma=3.0),
    ):
        bandit = envs.unwrapped.bandit if isinstance(envs, gym.vector.VectorEnv) else envs.bandit
        outcome = bandit.pull(np.arange(14), np.tile(MASK[:8] > 0, (14, 1)), np.zeros((14, 5), bool))
        np.testing.assert_allclose(outcome.reward, np.where(outcome.correct, 1.0, -3.0) - 0.3)


@pytest.mark.parametrize(
    ("reward", "said"),
    [
        ("accurate", "unknown reward 'accurate': expected one of accuracy"),
        ("tests.own_rewards:none", "reward 'tests.own_rewards:none' cannot be imported: .*no attribute 'none'"),
        ("no_such_module:none", "cannot be imported: No module named 'no_such_module'"),
        ("tests.own rewards:x", "expected module:Class or module:function"),
        ("tests.own_rewards:nothing", "expected one of accuracy, .* or what is called with ada3d_gym.rewards.Answers"),
        ("tests.own_rewards:OfAPrice", "reward OfAPrice cannot be made: TypeError: .*'price'"),
        (3, "reward is 3: expected one of accuracy"),
    ],
)
def test_what_is_no_reward_is_refused_in_a_line(reward: Any, said: str):
    with pytest.raises(InputError, match=said):
        gym.make(ID, videos=2, reward=reward)


def test_what_it_gives_is_checked():
    env = gym.make(ID, videos=2, reward="tests.own_rewards:one_array")
    env.reset()
    with pytest.raises(InputError, match=r"reward one_array gave ndarray: expected two arrays of shape \(1,\)"):
        env.step(MASK)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value: float):
    def unbounded(answers: Answers) -> tuple[Values, Values]:
        return np.zeros(len(answers.u)), np.full(len(answers.u), value)

    env = gym.make(ID, videos=2, reward=unbounded)
    env.reset()
    with pytest.raises(InputError, match="reward unbounded gave values that are not finite"):
        env.step(MASK)


def test_a_run_is_trained_and_judged_with_it_and_a_strangers_is_not_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    name = "tests.own_rewards:ByFrames"
    train(ID, "fixed", reward=name, videos=14, output=tmp_path / "run")
    result = json.loads((tmp_path / "run" / "results.jsonl").read_text().splitlines()[-1])
    assert result["reward"] == pytest.approx(1 - 8 / 10, abs=0.2)
    assert json.loads((tmp_path / "run" / OPTIONS).read_text())["environment"]["reward"] == name
    with pytest.raises(InputError, match=r"trained with the reward .*ByFrames, whose code would be run"):
        read_run(tmp_path / "run")
    capsys.readouterr()
    evaluate(str(tmp_path / "run"), trust=True)
    assert "fixed" in capsys.readouterr().out
