"""Lists of runs on a Ray cluster: one of this machine where Ray is installed, threads in its place elsewhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.plan import Task, carry_out
from ada3d_gym.experiments.workers import RunError
from tests.experiments.benchmark.test_ray import Threads, place
from tests.experiments.test_plan import SMALL, tasks


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node's process shares them for good."""
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")


def test_a_list_is_done_by_nodes_though_one_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    deaths = iter([True])
    threads = place(monkeypatch, Threads(dies=lambda title: title.endswith("uniform") and next(deaths, False)))
    done = carry_out(tasks(tmp_path), "cpu", ray="local")
    assert done == {tmp_path / name for name in ("upper", "uniform", "random")}
    assert threads.connected is None
    assert f"{tmp_path / 'uniform'}: its Ray worker has died" in capsys.readouterr().err
    assert carry_out(tasks(tmp_path), "cpu") == done  # nothing is left


def test_what_goes_wrong_on_a_node_is_said_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place(monkeypatch, Threads())
    missing = Task(tmp_path / "missing", partial(SMALL, "upper", environment={"videos": 14, "checkpoint": "none.pyth"}))
    with pytest.raises(RunError, match=rf"none\.pyth.*\(in the run of {missing.folder}\)"):
        carry_out([missing], "cpu", ray="local")


def test_a_folder_of_the_node_alone_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place(monkeypatch, Threads())
    monkeypatch.setattr("ada3d_gym.experiments.workers.is_finished", lambda run, folder: False)
    with pytest.raises(
        InputError, match=r"a Ray node says that it is done, and nothing of it is here: give an --output"
    ):
        carry_out([Task(tmp_path / "upper", partial(SMALL, "upper"))], "cpu", ray="local")


@pytest.mark.slow
def test_a_real_cluster_does_a_list(tmp_path: Path):
    pytest.importorskip("ray")
    assert len(carry_out(tasks(tmp_path), "cpu", ray="local")) == 3
