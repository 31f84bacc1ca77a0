"""What is interrupted in the middle of an epoch goes on from there, and ends bit for bit where an unbroken one does."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ada3d_gym.agents.reference import Random, RandomFineTuning
from ada3d_gym.agents.registry import make_agent
from ada3d_gym.agents.trunk import TrunkTraining
from ada3d_gym.building import build_bandit, build_trunk
from ada3d_gym.errors import InputError
from ada3d_gym.experiments import training
from ada3d_gym.experiments.pace import Pace
from ada3d_gym.experiments.training import Learner, saving_every, train_to
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.seeding import Stream, spawn, torch_seed

EPOCHS = 2


def tuning(_: Path) -> RandomFineTuning:
    bandit = build_bandit(split="val", videos=28)
    trainer = ClassifierTrainer(bandit.classifier, 0.01, dropout=0.5, seed=spawn(0, Stream.DROPOUT, 0))
    masks = Random(4.5, np.full(bandit.num_stages, 0.5), bandit.num_frames, 0)
    return RandomFineTuning(bandit, masks, trainer, EPOCHS, 8, 0)


def trunk(_: Path) -> TrunkTraining:
    bandit = build_bandit(split="val", videos=28)
    with torch_seed(spawn(0, Stream.TRUNK_WEIGHTS)):
        made = build_trunk(bandit.num_frames, bandit.source.observation_size)
    return TrunkTraining(made, bandit, EPOCHS, 8, 0.01, 0, "cpu", jitter=True)


def accumulating(_: Path) -> Learner:
    """REINFORCE with a head that is drawn, whose updates are of two batches each."""
    bandit = build_bandit(split="val", videos=28)
    options = {"epochs": 1, "joint_epochs": 1, "batch_size": 4, "samples": 2, "accumulate": 2, "heads": "frames"}
    return make_agent("reinforce", bandit, options)


def transferred(folder: Path) -> Learner:
    """The classifier's training under another run's masks, which are drawn."""
    bandit = build_bandit(split="val", videos=28)
    make_agent("random", bandit).save(folder / "policy.pt")
    options = {"agent": "random", "state": str(folder / "policy.pt"), "joint_epochs": EPOCHS, "joint_batch_size": 8}
    return make_agent("transferred", bandit, options)


class Cut(Exception):
    """An interruption."""


@pytest.mark.parametrize("made", [tuning, trunk, accumulating, transferred])
def test_it_goes_on_where_it_was_cut(made: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    unbroken = made(tmp_path)
    with saving_every(1000):
        train_to(tmp_path / "unbroken", "learner", unbroken, EPOCHS)
    save, cuts = training.save_state, 0

    def cut_after_each_third(path: Path, state: dict[str, Any]) -> None:
        nonlocal count
        save(path, state)
        count += 1
        if count == 3:
            raise Cut

    monkeypatch.setattr(training, "save_state", cut_after_each_third)
    with saving_every(0):
        for _ in range(20):
            count, broken = 0, made(tmp_path)
            try:
                train_to(tmp_path / "broken", "learner", broken, EPOCHS)
                break
            except Cut:
                cuts += 1
    assert cuts > 1
    ends = unbroken.state_dict(), broken.state_dict()
    assert "midway" not in ends[0]
    assert same(*ends)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def test_states_are_saved_every_so_many_seconds(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr("ada3d_gym.experiments.pace.time.perf_counter", lambda: now[0])
    pace, saved = Pace(600), []
    for batches in range(1, 1001):
        now[0] += 0.5 if batches < 20 else 7.0  # what is cached comes first
        if pace.due(batches):
            saved.append(now[0])
    waits = np.diff([0.0, *saved])
    assert len(saved) == 11
    assert (waits >= 600).all()
    assert (waits < 650).all()
    assert not any(pace.due(batches) for batches in (1, 2, 3))  # an epoch that has just begun
    now[0] += 700
    assert any(pace.due(batches) for batches in range(4, 9))


def test_minutes_are_numbers(monkeypatch: pytest.MonkeyPatch):
    for given in ("-1", "inf", "soon"):
        monkeypatch.setenv("ADA3D_SAVE_MINUTES", given)
        with pytest.raises(InputError, match=f"ADA3D_SAVE_MINUTES={given}: expected a number of minutes"):
            training.save_minutes()
    with saving_every(2.5):
        assert training.save_minutes() == 2.5
    with pytest.raises(InputError, match=r"^save_minutes=nan"), saving_every(math.nan):
        pass
