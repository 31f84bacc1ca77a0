"""Agents on the command line, and the options that they get."""

from __future__ import annotations

from pathlib import Path

import pytest

from ada3d_gym.agents.registry import agent_options
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark import labels
from ada3d_gym.experiments.benchmark.labels import agent_name, check_sets, label_options
from tests.experiments.benchmark.runs import OWN


@pytest.fixture
def no_presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the tracks' presets are looked for."""
    monkeypatch.setattr(labels, "PRESETS", tmp_path)
    return tmp_path


def test_an_agent_has_its_own_preset_and_trains_no_classifier(no_presets: Path):
    own = agent_options("reinforce", {})
    options = label_options("reinforce", "heads")
    assert own.joint_epochs > 0
    assert options["joint_epochs"] == 0
    assert options["lr"] == own.lr
    assert label_options("reinforce", "full")["joint_epochs"] == own.joint_epochs


def test_a_preset_behind_the_name(no_presets: Path):
    options = label_options("reinforce@paper", "heads")
    assert options["lr"] == agent_options("reinforce", {"preset": "paper"}).lr
    assert options["lr"] != label_options("reinforce", "heads")["lr"]


def test_the_tracks_preset_comes_before_the_agents_own(no_presets: Path):
    (no_presets / "heads").mkdir()
    (no_presets / "heads/ppo.yaml").write_text("lr: 0.5")
    (no_presets / "heads/reinforce@paper.yaml").write_text("lr: 0.25")
    assert label_options("ppo", "heads")["lr"] == 0.5
    assert label_options("ppo", "trunk")["lr"] == agent_options("ppo", {}).lr
    assert label_options("reinforce@paper", "heads")["lr"] == 0.25
    assert label_options("ppo", "heads", ["lr=0.125"])["lr"] == 0.125


def test_what_is_set_goes_to_the_agents_that_have_it():
    check_sets(["ppo", "random"], ["n_steps=3"])
    assert label_options("ppo", "heads", ["n_steps=3"])["n_steps"] == 3
    assert "n_steps" not in label_options("random", "heads", ["n_steps=3"])
    with pytest.raises(InputError, match="--set n_step=3: none of ppo, random has an option 'n_step'"):
        check_sets(["ppo", "random"], ["n_step=3"])


@pytest.mark.parametrize(
    ("label", "sets", "told"),
    [
        ("reinforc", [], "unknown agent 'reinforc'.*did you mean"),
        ("reinforce@papers", [], "unknown preset 'papers': expected one of .*paper"),
        ("random@paper", [], "random has no other than its own"),
        (f"{OWN}Nobody", [], "cannot be imported"),
        ("ppo", ["lr=fast"], "lr.*'fast'"),
        ("ppo", ["lr=-1"], "lr=-1.*expected 0 or more"),
        ("ppo", ["lr"], "'lr': expected an option of the agent as name=value"),
    ],
)
def test_what_is_wrong_is_named(label: str, sets: list[str], told: str):
    with pytest.raises(InputError, match=told):
        label_options(label, "heads", sets)


def test_own_agents_by_module():
    assert agent_name(f"{OWN}Everything") == f"{OWN}Everything"
    assert label_options(f"{OWN}Everything", "heads") == {}
