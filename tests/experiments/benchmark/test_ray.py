"""Runs on a Ray cluster: on one of this machine where Ray is installed, and with threads in its place everywhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark import ray_pool
from ada3d_gym.experiments.benchmark.jobs import claimed_file, record_path
from ada3d_gym.experiments.benchmark.run import run_suite
from ada3d_gym.experiments.benchmark.suite import Suite
from ada3d_gym.experiments.workers import RunError
from tests.experiments.benchmark.runs import OWN, timeless

Run = Callable[..., None]


class WorkerCrashedError(Exception):
    """As Ray's."""


class Threads:
    """The functions of Ray that are used, on one thread.

    Args:
        dies: says of a run, by its title, whether the worker that is to compute it dies first.
        interrupted_after: results after which Ctrl-C comes.
    """

    def __init__(self, dies: Callable[[str], bool] = lambda title: False, interrupted_after: int | None = None):
        self._pool, self._dies, self._left = ThreadPoolExecutor(1), dies, interrupted_after
        self.exceptions = SimpleNamespace(RayError=WorkerCrashedError, RayTaskError=ZeroDivisionError)
        self.connected: dict[str, Any] | None = None
        self.cancelled = 0

    def init(self, **options: Any) -> None:
        self.connected = options

    def shutdown(self) -> None:
        self.connected = None
        self._pool.shutdown()

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": 2.0}}]

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def remote(self, function: Callable[..., Any]) -> Any:
        def options(**given: Any) -> Any:
            def begun(*arguments: Any) -> Any:
                if self._dies(given["name"]):
                    raise WorkerCrashedError
                return function(*arguments)

            return SimpleNamespace(remote=lambda *arguments: self._pool.submit(begun, *arguments))

        return SimpleNamespace(options=options)

    def wait(self, futures: list[Future[Any]], num_returns: int = 1, timeout: float | None = None) -> Any:
        done, others = wait(futures, timeout, return_when=FIRST_COMPLETED)
        if timeout is None and self._left is not None:
            self._left -= 1
            if self._left < 0:
                wait(futures[:1])
                raise KeyboardInterrupt
        return list(done)[:num_returns], list(others)

    def get(self, future: Future[Any]) -> Any:
        return future.result()

    def cancel(self, future: Future[Any]) -> None:
        self.cancelled += 1
        future.cancel()


@pytest.fixture
def run(suite_path: Path, tmp_path: Path) -> Run:
    given = {"agents": ("reinforce", "random"), "seeds": 1, "output": tmp_path / "ray", "ray": "local"}
    return lambda **options: run_suite(str(suite_path), **{**given, **options})


def place(monkeypatch: pytest.MonkeyPatch, threads: Threads) -> Threads:
    monkeypatch.setitem(sys.modules, "ray", threads)
    return threads


def test_records_are_those_of_one_process(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    threads = place(monkeypatch, Threads())
    run()
    assert threads.connected is None
    run(output=tmp_path / "here", ray=None, workers=1)
    there = timeless(tmp_path / "ray")
    assert len(there) == 4
    assert there == timeless(tmp_path / "here")
    assert not list(tmp_path.rglob("*.lock"))


def test_real_ray_computes_the_same(run: Run, tmp_path: Path):
    pytest.importorskip("ray")
    run()
    run(output=tmp_path / "here", ray=None, workers=1)
    assert timeless(tmp_path / "ray") == timeless(tmp_path / "here")


def test_a_run_whose_worker_dies_is_told_and_begun_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    deaths = iter([True])
    place(monkeypatch, Threads(dies=lambda title: "reinforce" in title and next(deaths, False)))
    run()
    assert "reinforce/seed0.json: its Ray worker has died (WorkerCrashedError)" in capsys.readouterr().err
    assert len(timeless(tmp_path)) == 4


def test_a_run_that_kills_two_workers_ends_the_others(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place(monkeypatch, Threads(dies=lambda title: "gamma6, reinforce" in title))
    with pytest.raises(RunError, match=r"2 Ray workers died in the run of .*gamma6/reinforce/seed0.json"):
        run()
    assert 1 <= len(timeless(tmp_path)) <= 3
    assert not list(tmp_path.rglob("*.lock"))


@pytest.mark.parametrize(
    ("agent", "error", "told"),
    [
        ("Wrong", RunError, r"never acts \(in the run of .*seed0.json\)"),
        ("Faulty", RuntimeError, r"in the run of .*seed0.json:\n(.|\n)*own_agents.py(.|\n)*ZeroDivisionError"),
    ],
)
def test_a_run_that_fails_ends_the_others(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agent: str, error: type[Exception], told: str
):
    threads = place(monkeypatch, Threads())
    with pytest.raises(error, match=told):
        run(agents=("random", f"{OWN}{agent}"))
    assert threads.connected is None
    assert {record["agent"] for record in timeless(tmp_path).values()} == {"random"}
    assert not list(tmp_path.rglob("*.lock"))


def test_ctrl_c_keeps_what_is_done(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    threads = place(monkeypatch, Threads(interrupted_after=1))
    with pytest.raises(KeyboardInterrupt):
        run(agents=("random",), seeds=4)
    assert threads.connected is None
    assert threads.cancelled
    assert 2 <= len(timeless(tmp_path)) < 8
    assert not list(tmp_path.rglob("*.lock"))
    place(monkeypatch, Threads())
    run(agents=("random",), seeds=4)
    assert len(timeless(tmp_path)) == 8


def test_what_others_work_on_is_left_to_them(
    run: Run, suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    place(monkeypatch, Threads())
    with claimed_file(record_path(tmp_path / "ray", "small", "heads", suite.tasks[0].name, "random", 0)):
        run(agents=("random",))
    assert "1 runs are left to other processes" in capsys.readouterr().out
    assert len(timeless(tmp_path)) == 1


@pytest.mark.parametrize(
    ("options", "claimed"),
    [({}, 2 * ray_pool.AHEAD), ({"ray_cpus": 2}, ray_pool.AHEAD), ({"ray_cpus": 2, "workers": 3}, 3)],
)
def test_few_runs_are_claimed_at_a_time(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], claimed: int
):
    """So that other processes find some, and no process runs out of open files."""
    threads, most = place(monkeypatch, Threads()), [0]
    waited = threads.wait

    def looked(*given: Any, **options: Any) -> Any:
        most[0] = max(most[0], len(list(tmp_path.rglob("*.lock"))))
        return waited(*given, **options)

    monkeypatch.setattr(threads, "wait", looked)
    run(agents=("random",), seeds=4, **options)
    assert most[0] == claimed


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"track": "full"}, "start the command on each machine, in a folder that all share"),
        ({"ray_cpus": 0}, "ray_cpus=0: expected at least 1"),
        ({"ray_cpus": 3}, "--ray-cpus 3: the largest node has 2 CPUs"),
        ({"ray": "127.0.0.1:1"}, "--ray 127.0.0.1:1: no Ray cluster there"),
    ],
)
def test_what_cannot_be_is_named(run: Run, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], told: str):
    place(monkeypatch, Threads())
    with pytest.raises(InputError, match=told):
        run(**options)


def test_without_ray_the_extra_is_named(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"Ray is not installed .*pip install 'ada3d-gym\[ray\]'"):
        run()
