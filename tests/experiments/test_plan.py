"""Lists of runs in several processes: what needs what, and what ends them."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.ending import INTERRUPTED
from ada3d_gym.experiments.folders import claimed
from ada3d_gym.experiments.plan import Row, Task, carry_out, time_rows
from ada3d_gym.experiments.runs import Run, compose
from ada3d_gym.experiments.workers import RunError
from tests.experiments.lines import read
from tests.experiments.test_parallel import TABLE
from tests.processes import finish, start

ENV = "Ada3D-MotionShapes-v1"
SMALL = partial(compose, ENV, seed=0, environment={"videos": 14})


def random_as(folder: Path) -> Run:
    """A run that is made of what another one has reached."""
    return SMALL("random", options={"frames": read(folder / "results.jsonl")["uniform"]["frames"]})


def tasks(at: Path) -> list[Task]:
    upper, uniform = at / "upper", at / "uniform"
    return [
        Task(at / "random", partial(random_as, uniform), (upper, uniform), upper),
        Task(upper, partial(SMALL, "upper")),
        Task(uniform, partial(SMALL, "uniform", options={"frames": 3}), (upper,), upper),
    ]


@pytest.mark.parametrize("count", [1, 2])
def test_a_run_begins_once_what_it_needs_is_finished(tmp_path: Path, count: int):
    finished = carry_out(tasks(tmp_path), "cpu", count=count)
    assert finished == {tmp_path / name for name in ("upper", "uniform", "random")}
    assert read(tmp_path / "random" / "results.jsonl")["random"]["frames"] == 3
    rows = {name: Row(tmp_path / name, name) for name in ("upper", "uniform", "random")}
    assert all(row.result.milliseconds is None for row in rows.values())  # other runs were going on
    time_rows(rows, "cpu")
    assert all((row.result.milliseconds or 0) > 0 for row in rows.values())
    before = {path: path.read_bytes() for path in tmp_path.glob("*/results.jsonl")}
    assert carry_out(tasks(tmp_path), "cpu", count=count) == finished
    time_rows(rows, "cpu")
    assert {path: path.read_bytes() for path in before} == before
    with pytest.raises(InputError, match=r"holds another run \(gamma"):
        carry_out([Task(tmp_path / "upper", partial(SMALL, "upper", gamma=2.0))], "cpu")


def test_what_needs_a_run_of_another_process_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    busy = tmp_path / "uniform"
    busy.mkdir()
    with FileLock(busy / "run.lock"):
        assert carry_out(tasks(tmp_path), "cpu", count=1) == {tmp_path / "upper"}
    assert f"{busy}: left to the process that works in it" in capsys.readouterr().out
    assert not (tmp_path / "random").exists()


@pytest.mark.slow  # a worker on a Ray cluster fails in any case
def test_what_is_wrong_in_another_process_is_said_here(tmp_path: Path):
    missing = Task(tmp_path / "missing", partial(SMALL, "upper", environment={"videos": 14, "checkpoint": "none.pyth"}))
    with pytest.raises(RunError, match=rf"none\.pyth.*\(in the run of {missing.folder}\)"):
        carry_out([missing, Task(tmp_path / "sound", partial(SMALL, "upper"))], "cpu", count=2)


LIST = """
import sys
from functools import partial
from pathlib import Path
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.plan import Task, carry_out
from ada3d_gym.experiments.runs import compose

def work(folder: Path) -> None:
    small = partial(compose, "Ada3D-MotionShapes-v1", seed=0, environment={"videos": 14})
    made = [Task(folder / name, partial(small, "random", options={"joint_epochs": 10000})) for name in "ab"]
    carry_out(made, "cpu", count=2)

if __name__ == "__main__":
    run(work)
"""


@pytest.mark.parametrize(
    "end", [pytest.param(signal.SIGINT, marks=pytest.mark.slow, id="ctrl-c"), pytest.param(signal.SIGKILL, id="kill")]
)
def test_no_process_is_left_behind(tmp_path: Path, cache_folder: Path, end: signal.Signals):
    script = tmp_path / "work.py"
    script.write_text(LIST)
    process = start(str(script), "--folder", str(tmp_path))
    states = [tmp_path / name / "agent.pt" for name in "ab"]
    while not all(path.exists() for path in states):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    children = [int(each) for each in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    assert len(children) >= 2
    process.send_signal(end)
    _, told = process.communicate(timeout=60)
    if end == signal.SIGINT:
        assert told.splitlines()[-1] == "interrupted: the same command goes on from here"
        assert process.returncode == INTERRUPTED
    for _ in range(500):
        if not any(os.path.exists(f"/proc/{child}") for child in children):
            break
        time.sleep(0.02)
    for name in "ab":  # free for the same command
        with pytest.raises(InputError, match="holds another run"), claimed(tmp_path / name, {}):
            pass


def test_runs_of_other_processes_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As in a SLURM array, whose elements begin at once: all but one find the first run taken."""
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    monkeypatch.setattr("ada3d_gym.experiments.plan.AGAIN", 0.2)
    busy = tmp_path / "uniform"
    busy.mkdir()
    lock = FileLock(busy / "run.lock", thread_local=False)
    lock.acquire()
    threading.Timer(1, lock.release).start()
    assert carry_out(tasks(tmp_path), "cpu", count=1) == {tmp_path / name for name in ("upper", "uniform", "random")}


@pytest.mark.slow
def test_an_array_does_each_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    script, folder = tmp_path / "table.py", tmp_path / "runs"
    script.write_text(TABLE)
    started = []
    for element in range(3):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(element))
        started.append(start(str(script), str(folder)))
    assert [finish(each).splitlines()[-1] for each in started] == ["3 runs are finished"] * 3
    assert len(list(folder.glob("search/tensorboard/agent/*"))) == 1  # a file for each process that trains
    assert [len(read(path)) for path in sorted(folder.glob("*/results.jsonl"))] == [2, 2, 2]
