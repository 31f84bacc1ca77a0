"""The comparison of agents over seeds trains what is missing, and its intervals are Student's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from ada3d_gym.agents import search
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.compare import compare
from ada3d_gym.experiments.intervals import interval
from ada3d_gym.experiments.train import train
from ada3d_gym.shipped import CLASSIFIER

ENV = "Ada3D-MotionShapes-v1"


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small runs are trained sooner than other processes are started."""
    monkeypatch.setattr("ada3d_gym.experiments.plan.processes", lambda device: 1)


def test_intervals_are_students():
    assert interval([3.0]) == "3.00"
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0]) == "3.00 ± 1.96"  # 2.776 · 1.5811 / √5
    assert interval([2.0, 2.0]) == "2.00 ± 0.00"


def test_a_misspelt_agent_is_named_before_any_is_trained(tmp_path: Path):
    with pytest.raises(InputError, match="unknown agent 'reinforse'"):
        compare(ENV, agents=("uniform", "reinforse"), seeds=1, videos=14, output=tmp_path)
    assert not list(tmp_path.iterdir())


def test_gammas_give_each_agent_a_front(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    gammas = (1.0, 6.0)
    compare(ENV, ("uniform",), seeds=1, gammas=gammas, rivals="none", videos=14, output=tmp_path)
    assert (tmp_path / "front.png").stat().st_size > 0
    rows = [row for row in capsys.readouterr().out.splitlines() if row.startswith("| ")]
    assert [row.split("|")[1].strip() for row in rows[-4:]] == [
        "Upper, gamma 1",
        "uniform, gamma 1",
        "Upper, gamma 6",
        "uniform, gamma 6",
    ]


def test_only_what_is_missing_is_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    compare(ENV, ("upper", "uniform"), seeds=1, rivals="none", videos=14, output=tmp_path)
    first = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("agent.pt")}
    capsys.readouterr()
    compare(ENV, ("upper", "uniform"), seeds=2, rivals="none", videos=14, output=tmp_path)
    assert len(list(tmp_path.rglob("agent.pt"))) == 4
    assert all(path.stat().st_mtime_ns == when for path, when in first.items())
    last = capsys.readouterr().out.splitlines()[-5:]
    assert " reward |" in last[0]
    assert "8.0 ± 0.0 |" in last[2]  # Upper's frames
    assert any(row.startswith("| uniform") and row.rstrip(" |").endswith("2") for row in last)


def test_a_run_that_is_asked_for_twice_counts_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    compare(ENV, ("upper", "upper"), seeds=1, gammas=(6, 6.0), rivals="none", videos=14, output=tmp_path)
    rows = [row for row in capsys.readouterr().out.splitlines() if row.startswith("| ")]
    assert [row.rstrip(" |").split()[-1] for row in rows[1:]] == ["1", "1"]


def test_a_run_of_another_process_is_left_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    busy = tmp_path / f"{ENV}-upper-seed1"
    busy.mkdir()
    with FileLock(busy / "run.lock"):
        compare(ENV, ("upper",), seeds=2, rivals="none", videos=14, output=tmp_path)
        printed = capsys.readouterr().out
        assert f"{busy}: left to the process that works in it" in printed
        assert printed.splitlines()[-1].rstrip(" |").endswith(" 1")
        with pytest.raises(ValueError, match=f"another process works in {busy}.*--output"):
            train(ENV, "upper", seed=1, videos=14, output=busy)
    compare(ENV, ("upper",), seeds=2, rivals="none", videos=14, output=tmp_path)
    assert capsys.readouterr().out.splitlines()[-1].rstrip(" |").endswith(" 2")


def test_agents_of_one_class_name_in_two_modules_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for module, frame in (("mine_a", 0), ("mine_b", 7)):
        (tmp_path / f"{module}.py").write_text(
            "import numpy as np\nfrom agents.agent import Agent\n\n"
            "class One(Agent):\n    def act(self, observations, deterministic=True):\n"
            f"        return np.tile(np.arange(13) == {frame}, (len(observations), 1)).astype(np.int8)\n"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    compare(ENV, ("mine_a:One", "mine_b:One"), seeds=1, rivals="none", videos=14, output=tmp_path / "runs")
    folders = [folder.name for folder in sorted((tmp_path / "runs").iterdir())]
    assert folders == [f"{ENV}-mine_a.One-seed0", f"{ENV}-mine_b.One-seed0"]


def test_rivals_spend_what_the_first_agent_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(search, "EXHAUSTIVE_BITS", 0)  # fewer candidates
    config = tmp_path / "mine.yaml"
    config.write_text("agents: {random: {frames: 5, stages: 0.5, joint_epochs: 1}, best-fixed: {clips: 1}}\n")
    compare(ENV, ("random",), seeds=1, config=config, videos=14, output=tmp_path / "runs", json=tmp_path / "all.json")
    rows = {row["method"]: row for row in json.loads((tmp_path / "all.json").read_text())["tables"][0]["rows"]}
    assert list(rows) == [
        "Upper",
        "random",
        "Fixed",
        *(
            f"{name} (as random)"
            for name in ("Random", "Random FT", "Fixed FT at same operations", "Fixed FT at same accuracy")
        ),
    ]
    spent = rows["random"]["gmacs_total"]["mean"]
    assert rows["Random (as random)"]["gmacs"]["mean"] == pytest.approx(spent, rel=0.1)
    assert rows["Fixed FT at same operations (as random)"]["gmacs"]["mean"] <= spent
    assert all(row["milliseconds"]["mean"] > 0 for row in rows.values())
    weights = load_file(
        tmp_path / "runs" / f"{ENV}-fixed-ft-at-same-operations-as-random-seed0" / "classifier.safetensors"
    )
    assert not torch.equal(weights["head.weight"], load_file(CLASSIFIER)["head.weight"])
