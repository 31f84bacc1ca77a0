"""The comparison of agents over seeds trains what is missing, and its intervals are Student's."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.compare import compare
from ada3d_gym.experiments.intervals import interval
from ada3d_gym.experiments.train import train


def test_intervals_are_students():
    assert interval([3.0]) == "3.00"
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0]) == "3.00 ± 1.96"  # 2.776 · 1.5811 / √5
    assert interval([2.0, 2.0]) == "2.00 ± 0.00"


def test_a_misspelt_agent_is_named_before_any_is_trained(tmp_path: Path):
    with pytest.raises(InputError, match="unknown agent 'reinforse'"):
        compare("Ada3D-MotionShapes-v0", agents=("uniform", "reinforse"), seeds=1, videos=14, output=tmp_path)
    assert not list(tmp_path.iterdir())


def test_gammas_give_each_agent_a_front(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    compare("Ada3D-MotionShapes-v0", agents=("uniform",), seeds=1, gammas=(1.0, 6.0), videos=14, output=tmp_path)
    assert (tmp_path / "front.png").stat().st_size > 0
    rows = [row for row in capsys.readouterr().out.splitlines() if row.startswith("| ")]
    assert [row.split("|")[1].strip() for row in rows[-4:]] == [
        "Upper, gamma 1",
        "uniform, gamma 1",
        "Upper, gamma 6",
        "uniform, gamma 6",
    ]


def test_only_what_is_missing_is_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    env = "Ada3D-MotionShapes-v0"
    compare(env, agents=("upper", "uniform"), seeds=1, videos=14, output=tmp_path)
    first = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("agent.pt")}
    capsys.readouterr()
    compare(env, agents=("upper", "uniform"), seeds=2, videos=14, output=tmp_path)
    assert len(list(tmp_path.rglob("agent.pt"))) == 4
    assert all(path.stat().st_mtime_ns == when for path, when in first.items())
    last = capsys.readouterr().out.splitlines()[-5:]
    assert "| reward" in last[0]
    assert "| 8.00 ± 0.00" in last[2]  # Upper's frames
    assert any(row.startswith("| uniform") and row.rstrip(" |").endswith("2") for row in last)


def test_a_run_that_is_asked_for_twice_counts_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    compare("Ada3D-MotionShapes-v0", ("upper", "upper"), seeds=1, gammas=(6, 6.0), videos=14, output=tmp_path)
    rows = [row for row in capsys.readouterr().out.splitlines() if row.startswith("| ")]
    assert [row.rstrip(" |").split()[-1] for row in rows[1:]] == ["1", "1"]


def test_a_run_of_another_process_is_left_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    env = "Ada3D-MotionShapes-v0"
    busy = tmp_path / f"{env}-upper-seed1"
    busy.mkdir()
    with FileLock(busy / "run.lock"):
        compare(env, agents=("upper",), seeds=2, videos=14, output=tmp_path)
        printed = capsys.readouterr().out
        assert f"{busy}: left to the process that works in it" in printed
        assert printed.splitlines()[-1].rstrip(" |").endswith(" 1")
        with pytest.raises(ValueError, match=f"another process works in {busy}.*--output"):
            train(env, "upper", seed=1, videos=14, output=busy)
    compare(env, agents=("upper",), seeds=2, videos=14, output=tmp_path)
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
    env, agents = "Ada3D-MotionShapes-v0", ("mine_a:One", "mine_b:One")
    compare(env, agents=agents, seeds=1, videos=14, output=tmp_path / "runs")
    folders = [folder.name for folder in sorted((tmp_path / "runs").iterdir())]
    assert folders == [f"{env}-mine_a.One-seed0", f"{env}-mine_b.One-seed0"]
