"""Measured time of classifiers under masks and of policies' networks: what is measured, not how long it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ada3d_gym.agents.registry import make_agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.experiments import timing
from ada3d_gym.experiments.timing import Timed, alternate, milliseconds


def test_ways_take_turns():
    turns: list[str] = []
    found = alternate({name: (lambda name=name: turns.append(name)) for name in "ab"}, rounds=2)
    assert turns == ["a", "b"] * 3  # once to warm up
    assert {name: times.shape for name, times in found.items()} == {"a": (2,), "b": (2,)}


@pytest.mark.parametrize("observation", ["pixels", "features"])
def test_a_method_is_timed_under_its_masks_on_one_thread(
    bandit: ClipBandit, monkeypatch: pytest.MonkeyPatch, observation: str
):
    monkeypatch.setattr(timing, "CLIPS", 256)
    monkeypatch.setattr(timing, "ROUNDS", 2)
    own = build_bandit(split="test", videos=28, observation=observation)  # type: ignore[arg-type]
    agent = make_agent("reinforce" if observation == "pixels" else "ppo", own)
    kept: list[tuple[int, int]] = []
    seen: list[int] = []
    scores, act = type(bandit.classifier).scores, type(agent).act

    def noted(classifier: Any, clips: Any, u: Any, v: Any) -> Any:
        kept.append((int(u.sum()), torch.get_num_threads()))
        return scores(classifier, clips, u, v)

    def noted_act(policy: Any, observations: Any, deterministic: bool = True) -> Any:
        seen.append(len(observations))
        return act(policy, observations, deterministic)

    monkeypatch.setattr(type(bandit.classifier), "scores", noted)
    monkeypatch.setattr(type(agent), "act", noted_act)
    u, v = np.arange(112 * 8).reshape(112, 8) % 2 == 0, np.zeros((112, 5), np.bool_)
    threads = torch.get_num_threads()
    found = milliseconds(bandit, {"Upper": Timed.everything(bandit), "half": Timed(u, v, agent)})
    assert {name: total > selection for name, (total, selection) in found.items()} == {"Upper": True, "half": True}
    assert found["Upper"][1] == 0 < found["half"][1]
    assert kept == [(112 * 8, 1), (112 * 4, 1)] * 3  # once to warm up
    assert seen == [112] * 3
    assert torch.get_num_threads() == threads


def test_large_networks_are_timed_on_few_clips(bandit: ClipBandit, monkeypatch: pytest.MonkeyPatch):
    shown: list[int] = []
    scores = type(bandit.classifier).scores

    def noted(classifier: Any, clips: Any, u: Any, v: Any) -> Any:
        shown.append(len(clips))
        return scores(classifier, clips, u, v)

    monkeypatch.setattr(type(bandit.classifier), "scores", noted)
    monkeypatch.setattr(timing, "CLIPS", 256)
    monkeypatch.setitem(timing.MACS, "cpu", 1.0)
    milliseconds(bandit, {"Upper": Timed.everything(bandit)})
    assert set(shown) == {timing.FEWEST}
