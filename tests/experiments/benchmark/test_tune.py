"""The search of options: equal trials for all, on validation clips, its best found again as a preset."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ada3d_gym.agents.registry import preset
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark import labels, tune
from ada3d_gym.experiments.benchmark.games import task_game
from ada3d_gym.experiments.benchmark.labels import label_options
from ada3d_gym.experiments.benchmark.learning import learn
from ada3d_gym.experiments.benchmark.suite import Suite

AGENTS = ("reinforce", "reinforce@self-critical")
Tune = Callable[..., dict[str, Any]]


@pytest.fixture
def search(suite_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tune:
    """The command with two trials unless told otherwise; returns all that it found, by agent."""
    monkeypatch.setattr(labels, "PRESETS", tmp_path / "presets")
    given = {"agents": AGENTS, "trials": 2, "workers": 1, "output": tmp_path, "presets": tmp_path / "presets"}

    def start(**options: Any) -> dict[str, Any]:
        to = tmp_path / "all.json"
        tune.tune(str(suite_path), **{**given, "to": to, **options})
        found: dict[str, Any] = json.loads(to.read_text())["agents"]
        return found

    return start


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The runs that this process computes."""
    found: list[Any] = []

    def noted(spec: Any) -> Any:
        found.append(spec)
        return learn(spec)

    monkeypatch.setattr(tune, "learn", noted)
    return found


def test_all_agents_have_as_many_trials_and_pulls_on_validation_clips(search: Tune, computed: list[Any], suite: Suite):
    found = search()
    for agent, its in found.items():
        runs = [spec for spec in computed if spec.agent == agent]
        assert len(its["trials"]) == 2
        assert [spec.task for spec in runs] == [*suite.tasks, *suite.tasks]
        assert {(spec.judged_on, spec.seed >= 1000) for spec in runs} == {("val", True)}
        assert its["pulls"] <= len(runs) * suite.tasks[0].pulls
        own, drawn = (trial["options"] for trial in its["trials"])
        name, _, other = agent.partition("@")
        assert own == labels.with_options(agent, {**preset(name, other or None), "joint_epochs": 0})
        assert own != drawn
    assert list(found) == list(AGENTS)


def test_a_search_that_was_broken_off_goes_on(search: Tune, computed: list[Any], tmp_path: Path):
    first = search(agents=("reinforce",))
    assert len(computed) == 4
    next(tmp_path.rglob("trial1.json")).unlink()
    again = search(agents=("reinforce",))
    assert len(computed) == 6
    assert again["reinforce"]["scores"] == first["reinforce"]["scores"]
    search(agents=("reinforce",), trials=3)  # goes on with the same sequence
    assert len(computed) == 8


def test_the_best_is_the_preset_of_the_track_from_then_on(search: Tune, tmp_path: Path):
    found = search(agents=("reinforce",), trials=3)["reinforce"]
    best = found["trials"][int(np.argmax(found["scores"]))]["options"]
    assert label_options("reinforce", "heads") == best
    text = (tmp_path / "presets/heads/reinforce.yaml").read_text()
    assert f"mean score {max(found['scores']):.3f}" in text
    assert yaml.safe_load(text).items() <= best.items()
    before = dict(found)
    assert search(agents=("reinforce",), trials=3)["reinforce"] == before  # where it began stays the agent's own preset


def test_trials_of_another_search_are_refused_before_anything_is_computed(
    search: Tune, computed: list[Any], tmp_path: Path
):
    search(agents=("reinforce",))
    for other in ({"seed": 1}, {"seeds": 2}):
        with pytest.raises(InputError, match=r"trial\d.json is of another trial: choose another --output, or delete"):
            search(agents=("reinforce",), **other)
    path = next(tmp_path.rglob("trial0.json"))
    for damaged in ("", "[]", "{}"):
        path.write_text(damaged)
        with pytest.raises(InputError, match=r"trial0.json: no trial.*delete it"):
            search(agents=("reinforce",))
    assert len(computed) == 4


def test_scores_are_0_for_the_best_constant_and_1_for_the_best_masks(suite: Suite):
    task = suite.tasks[0]
    val, mask = task_game(task, "val"), task_game(task, "train").best_constant().mask
    assert tune.val_score(task, val.value(mask)) == 0
    assert tune.val_score(task, val.value(val.oracle().masks)) == pytest.approx(1)


def test_points_are_the_same_for_the_same_seed_and_spread_over_the_ranges():
    space = {"lr": {"low": 0.001, "high": 0.1}, "samples": [1, 2, 4, 8]}
    points = tune.spread(space, 16, 0)
    assert points == tune.spread(space, 16, 0)
    assert points[:5] == tune.spread(space, 5, 0)
    assert points != tune.spread(space, 16, 1)
    assert tune.spread(space, 0, 0) == []
    rates = np.array([point["lr"] for point in points])
    assert ((rates >= 0.001) & (rates <= 0.1)).all()
    assert (rates < 0.01).sum() == 8  # half of them in each half of the logarithm
    assert [sum(point["samples"] == each for point in points) for each in (1, 2, 4, 8)] == [4, 4, 4, 4]


def test_ranges_are_of_options_that_agents_have(suite: Suite, tmp_path: Path):
    for agent in yaml.safe_load(tune.SPACES.read_text()):
        trials = tune.agent_trials(suite, "heads", agent, 9, 1, 0, "cpu", tmp_path)
        assert len(trials) == 9


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"agents": ("upper",)}, "upper has no ranges in spaces.yaml"),
        ({"track": "full"}, "expected heads or trunk"),
        ({"trials": 0}, "trials=0: expected at least 1"),
        ({"seeds": 0}, "seeds=0: expected at least 1"),
    ],
)
def test_what_is_wrong_is_named(search: Tune, options: dict[str, Any], told: str):
    with pytest.raises(InputError, match=told):
        search(**options)
