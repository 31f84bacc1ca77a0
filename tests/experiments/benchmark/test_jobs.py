"""Runs that are done once, whoever starts them, however often and on however many processes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark import jobs
from ada3d_gym.experiments.benchmark.jobs import claimed_file, record_path
from ada3d_gym.experiments.benchmark.learning import learn
from ada3d_gym.experiments.benchmark.record import read_record
from ada3d_gym.experiments.benchmark.run import run_suite
from ada3d_gym.experiments.benchmark.suite import Suite, read_suite
from ada3d_gym.experiments.folders import BusyFolder
from ada3d_gym.experiments.workers import RunError
from tests.experiments.benchmark.runs import OWN, spec, timeless
from tests.processes import finish, kill_when, start

AGENTS = ("reinforce", "random")
Start = Callable[..., None]


@pytest.fixture
def run(suite_path: Path, tmp_path: Path) -> Start:
    """The command, in one process, with two seeds unless told otherwise."""
    given = {"agents": AGENTS, "seeds": 2, "workers": 1, "output": tmp_path / "runs"}
    return lambda **options: run_suite(str(suite_path), **{**given, **options})


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """Task, agent and seed of every run that this process computes."""
    found: list[tuple[str, str, int]] = []

    def noted(spec: Any) -> Any:
        found.append((spec.task.name, spec.agent, spec.seed))
        return learn(spec)

    monkeypatch.setattr(jobs, "learn", noted)
    return found


def command(suite: Path, output: Path, *agents: str, seeds: int = 2) -> list[str]:
    options = ["--seeds", str(seeds), "--workers", "1", "--output", str(output)]
    return ["-m", "experiments.benchmark", "run", str(suite), "--agents", *agents, *options]


def test_what_is_done_is_not_done_again(run: Start, computed: list[Any], capsys: pytest.CaptureFixture[str]):
    run(agents=("reinforce",), seeds=1)
    assert len(computed) == 2
    run(agents=("reinforce",), seeds=1)
    assert len(computed) == 2
    assert "2 of 2 runs were done before" in capsys.readouterr().out
    run(agents=("random", "reinforce", "random"))  # more agents and seeds, one of them named twice
    assert len(computed) == len(set(computed)) == 8


def test_a_run_is_its_task_agent_and_seed(suite: Suite):
    first, again, other = (learn(spec(suite, "reinforce", seed)) for seed in (0, 0, 1))
    assert replace(first, seconds=0) == replace(again, seconds=0)
    assert first.masks != other.masks


@pytest.mark.slow  # the processes are those of lists of runs, which `test_plan.py` starts in any case
def test_two_processes_write_what_one_writes(run: Start, tmp_path: Path):
    run()
    both = tmp_path / "both"
    run(workers=2, output=both)
    one, two = timeless(tmp_path / "runs"), timeless(both)
    assert len(one) == 8
    assert two == one
    assert not list(tmp_path.rglob("*.lock"))


@pytest.mark.slow  # what is claimed by another process is left to it in any case
def test_commands_started_at_once_share_the_runs(suite_path: Path, tmp_path: Path):
    started = [start(*command(suite_path, tmp_path, *AGENTS)) for _ in range(2)]
    printed = [finish(each) for each in started]
    assert all("ada3d benchmark report" in each for each in printed)
    assert len(timeless(tmp_path)) == 8
    assert not list(tmp_path.rglob("*.lock"))


def test_what_another_process_works_on_is_left_to_it(
    run: Start, suite: Suite, computed: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    taken = record_path(tmp_path / "runs", "small", "heads", suite.tasks[0].name, "random", 0)
    with claimed_file(taken):
        run(agents=("random",))
    assert "1 runs are left to other processes" in capsys.readouterr().out
    assert len(computed) == 3
    assert not taken.exists()
    run(agents=("random",))
    assert len(computed) == 4


def test_a_process_that_was_killed_holds_nothing(suite_path: Path, tmp_path: Path):
    task = read_suite(str(suite_path)).tasks[0]
    path = record_path(tmp_path, "small", "heads", task.name, f"{OWN}Endless", 0)
    process = start(*command(suite_path, tmp_path, f"{OWN}Endless", seeds=1))

    def works_on_it() -> bool:
        if not path.with_suffix(".claim").exists():
            return False
        with pytest.raises(BusyFolder, match=r"another process works on .*seed0.json"), claimed_file(path):
            pass
        return True

    kill_when(process, works_on_it)
    with claimed_file(path):
        pass
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_runs_go_on_beside_one_that_fails_and_it_takes_nothing_away(run: Start, tmp_path: Path, workers: int):
    run(agents=("random",), seeds=1)
    done = timeless(tmp_path)
    kind = InputError if workers == 1 else RunError
    with pytest.raises(kind, match="never acts"):
        run(agents=(f"{OWN}Wrong", "random"), workers=workers)
    now = timeless(tmp_path)
    assert done.items() <= now.items()
    assert len(now) == 4
    assert all("/random/" in name for name in now)
    for left in tmp_path.rglob("*.lock"):  # of a worker that was ended: a file, but no lock
        with claimed_file(left.with_suffix(".json")):
            pass


def test_a_file_of_another_run_is_refused(run: Start, suite: Suite, tmp_path: Path):
    run(agents=("reinforce",), seeds=1)
    first, second = (
        record_path(tmp_path / "runs", "small", "heads", task.name, "reinforce", 0) for task in suite.tasks
    )
    for other in ("lr=0.5", "epochs=1"):
        with pytest.raises(InputError, match=r"seed0.json is of another run .*: choose another --output, or delete it"):
            run(agents=("reinforce",), seeds=1, set=(other,))
    first.write_bytes(second.read_bytes())
    with pytest.raises(InputError, match=r"another run .task .*gamma=6.0"):
        run(agents=("reinforce",), seeds=1)


def test_runs_of_fewer_epochs_than_the_budget_allows_are_others(run: Start):
    run(agents=("reinforce",), seeds=1, set=("epochs=1",))
    run(agents=("reinforce",), seeds=1, set=("epochs=1",))
    with pytest.raises(InputError, match="another run"):
        run(agents=("reinforce",), seeds=1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text[:100], "no record of a benchmark run"),
        (lambda text: "", "no record of a benchmark run"),
        (lambda text: json.dumps(json.loads(text) | {"format": 99}), "of format 1"),
        (lambda text: json.dumps(json.loads(text) | {"pulls": "many"}), "pulls.*'many'"),
    ],
)
def test_a_damaged_record_is_named(run: Start, tmp_path: Path, change: Callable[[str], str], told: str):
    run(agents=("random",), seeds=1)
    path = next(tmp_path.rglob("seed0.json"))
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=told) as caught:
        run(agents=("random",), seeds=1)
    assert str(path) in str(caught.value)


def test_records_read_back_as_they_were_written(suite: Suite, tmp_path: Path):
    record = learn(spec(suite, "reinforce"))
    record.write(tmp_path / "run.json")
    assert read_record(tmp_path / "run.json") == record


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"seeds": 0}, "seeds=0: expected at least 1"),
        ({"workers": 0}, "workers=0: expected at least 1"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"agents": ("reinforc",)}, "unknown agent 'reinforc'"),
        ({"set": ("lrr=1",)}, "none of reinforce, random has an option 'lrr'"),
    ],
)
def test_what_is_wrong_is_named_before_anything_is_computed(
    run: Start, computed: list[Any], options: dict[str, Any], told: str
):
    with pytest.raises(InputError, match=told):
        run(**options)
    assert not computed


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ("Misshapen", "expected"),
        ("PullsToAct", r"act\(\) pulls masks"),
        ("PullsWhenMade", "pulls masks while it is made"),
        ("Unhooks", "by which its pulls are counted"),
    ],
)
def test_what_an_agent_must_not_do_is_told(suite: Suite, agent: str, told: str):
    with pytest.raises(InputError, match=told):
        learn(spec(suite, OWN + agent))


def test_a_policy_that_is_no_longer_finite_does_not_count(suite: Suite):
    record = learn(spec(suite, OWN + "NotFinite"))
    assert "weight is no longer finite" in record.diverged
    assert record.train is None
    assert record.curve[-1].pulls < 840
