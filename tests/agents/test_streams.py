"""No two parts of a run draw from one random stream, and none shows the clips in another's order."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ada3d_gym.agents import search
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.experiments.pretrain import pretrain
from ada3d_gym.experiments.train import train
from tests.agents.test_agents import SMALL
from tests.frugal import frugally

Place = tuple[str, int]
EPOCHS = {name: {"joint_epochs": 2} for name in ("best-fixed", "fixed", "random")} | {
    name: {"epochs": 2, "joint_epochs": 2} for name in ("reinforce", "ppo")
}


class Watched(np.random.SeedSequence):
    """Notes who asks for which stream; children that NumPy spawns are made here too."""

    asked: ClassVar[dict[tuple[Any, ...], set[Place]]] = defaultdict(set)

    def __init__(self, entropy: Any = None, *, spawn_key: tuple[int, ...] = (), **options: Any):
        super().__init__(entropy, spawn_key=spawn_key, **options)
        frame = sys._getframe(1)
        while frame.f_back and frame.f_code.co_filename.endswith(("seeding.py", "bit_generator.pyx")):
            frame = frame.f_back
        if spawn_key:
            self.asked[(entropy, *spawn_key)].add((Path(frame.f_code.co_filename).name, frame.f_lineno))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[Any, ...], set[Place]]:
    """The places in the code that asked for each stream (seed and key) of a run."""
    Watched.asked.clear()
    monkeypatch.setattr(np.random, "SeedSequence", Watched)
    return Watched.asked


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The orders of clips that the epochs of a run have."""
    drawn: list[list[int]] = []
    epoch = ClipBandit.epoch

    def noted(bandit: ClipBandit, rng: np.random.Generator) -> Any:
        drawn.append((ids := epoch(bandit, rng)).tolist())
        return ids

    monkeypatch.setattr(ClipBandit, "epoch", noted)
    return drawn


@pytest.mark.parametrize(
    ("agent", "own"),
    [
        ("reinforce", ()),
        ("ppo", ()),
        pytest.param("random", (), marks=pytest.mark.slow),
        pytest.param("reinforce", ("heads=frames",), marks=pytest.mark.slow),  # as in the ablations
        *(pytest.param(agent, (), marks=pytest.mark.slow) for agent in ("dqn", "best-fixed", "fixed")),  # much the same
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_every_part_of_a_run_draws_for_itself(
    agent: str,
    own: tuple[str, ...],
    asked: dict[tuple[Any, ...], set[Place]],
    orders: list[list[int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(search, "EXHAUSTIVE_BITS", 0)  # fewer candidates
    options = tuple(f"{name}={value!r}" for name, value in (SMALL.get(agent, {}) | EPOCHS.get(agent, {})).items()) + own
    with frugally():
        train(
            "Ada3D-MotionShapes-v1", agent, set=options, videos=14, classifier_epochs=3, trunk_epochs=3, output=tmp_path
        )
    assert_apart(asked)
    assert len({tuple(order) for order in orders}) == len(orders)


def test_every_part_of_pretraining_draws_for_itself(asked: dict[tuple[Any, ...], set[Place]], tmp_path: Path):
    pretrain(output=tmp_path, epochs_2d=2, epochs_3d=2, epochs_selection=2, videos=14)
    assert_apart(asked)


def assert_apart(asked: dict[tuple[Any, ...], set[Place]]) -> None:
    assert asked
    assert {key: places for key, places in asked.items() if len(places) > 1} == {}
