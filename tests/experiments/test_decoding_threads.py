"""How many threads decode, on every command line: it reaches the decoder, and changes no result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.full import FullOptions, compose_task
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask
from ada3d_gym.experiments.evaluate import evaluate
from ada3d_gym.experiments.judging import Trial
from ada3d_gym.experiments.own.runs import Runs
from ada3d_gym.experiments.paper.options import Composer, PaperOptions
from ada3d_gym.experiments.paper.table2_options import Table2Options
from ada3d_gym.experiments.predict import predict
from ada3d_gym.experiments.runs import compose
from ada3d_gym.experiments.start import start
from ada3d_gym.experiments.train import train
from ada3d_gym.experiments.workers import Worker, wait_for_any
from ada3d_gym.prediction.predictor import Predictor
from ada3d_gym.prediction.results import Prediction
from ada3d_gym.video.ahead import DecodeAhead
from ada3d_gym.workers import default_workers, share_cores
from tests.experiments.lines import read

ENV = "Ada3D-Videos-v0"
FIGURES = ("top1", "map", "reward", "gmacs", "frames", "stages", "by_class", "distinct_masks")


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of threads that decoders are made with."""
    seen: list[int] = []
    made = DecodeAhead.__init__

    def make(ahead: DecodeAhead, decode: Any, video_of: Any, count: int, capacity: int) -> None:
        seen.append(count)
        made(ahead, decode, video_of, count, capacity)

    monkeypatch.setattr(DecodeAhead, "__init__", make)
    return seen


@pytest.fixture(scope="module")
def given(sets: Path) -> dict[str, Any]:
    own = {"data_root": sets / "videos", "checkpoint": sets / "i3d_tiny.safetensors", "backbone": "i3d_tiny"}
    options = {"classifier_epochs": 1, "trunk_epochs": 1, "size": 32}
    return own | options | {"set": ("epochs=1", "joint_epochs=1", "batch_size=4", "joint_batch_size=4")}


@pytest.fixture(scope="module")
def trained(given: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with one thread."""
    folder = tmp_path_factory.mktemp("threads") / "run"
    train(ENV, "reinforce", **given, workers=1, output=folder)
    return folder


def test_a_run_is_the_same_with_any_number_of_threads(
    given: dict[str, Any], trained: Path, tmp_path: Path, threads: list[int]
):
    train(ENV, "reinforce", **given, workers=3, output=tmp_path / "run")
    assert set(threads) == {3}
    for name in ("classifier.safetensors", "selection.safetensors"):
        assert (trained / name).read_bytes() == (tmp_path / "run" / name).read_bytes()
    one, three = (read(folder / "results.jsonl") for folder in (trained, tmp_path / "run"))
    assert one.keys() == three.keys()
    for name, line in one.items():
        assert [three[name][figure] for figure in FIGURES] == [line[figure] for figure in FIGURES]


def test_a_run_goes_on_with_other_threads(given: dict[str, Any], trained: Path, threads: list[int]):
    before = (trained / "classifier.safetensors").read_bytes()
    (trained / "classifier.safetensors").unlink()  # not finished
    train(ENV, "reinforce", **given, workers=2, output=trained)
    assert set(threads) == {2}
    assert (trained / "classifier.safetensors").read_bytes() == before


def test_a_judgement_goes_on_with_other_threads(given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[Path] = []

    def judged(*_: Any, resume: Path, **__: Any) -> None:
        seen.append(resume)
        raise InputError("stopped")

    monkeypatch.setattr("ada3d_gym.experiments.judging.evaluate", judged)
    environment = {key: given[key] for key in ("data_root", "checkpoint", "backbone", "size")}
    for count in (1, 2, None):
        run_ = compose(ENV, "upper", 0, environment=environment | {"workers": count})
        trial = Trial.prepare(run_, "test", "cpu")
        with pytest.raises(InputError, match="stopped"):
            trial.judge("upper", trial.untrained_agent("cpu"), tmp_path)
    assert len(seen) == 3
    assert len(set(seen)) == 1


def test_a_finished_run_is_judged_with_the_threads_of_this_machine(trained: Path, tmp_path: Path, threads: list[int]):
    evaluate(str(trained), output=tmp_path / "lines.jsonl", workers=5)
    assert set(threads) == {5}
    threads.clear()
    evaluate(str(trained), output=tmp_path / "lines.jsonl")  # not with those that it was trained with
    assert set(threads) == {default_workers()}


def test_new_videos_are_read_by_as_many_threads(trained: Path, sets: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []

    def stream(predictor: Predictor, *_: object, **__: object) -> Iterator[Prediction]:
        seen.append(predictor.workers)
        return iter(())

    monkeypatch.setattr(Predictor, "stream", stream)
    video = str(next((sets / "videos").rglob("*.mp4")))
    predict(trained, (video,), workers=3)
    predict(trained, (video,))
    assert seen == [3, default_workers()]


def test_environments_and_lists_of_runs_take_it(tmp_path: Path, threads: list[int]):
    gym.make("Ada3D-MotionShapes-v1", videos=14, workers=3)
    assert threads == [3]
    with pytest.raises(InputError, match="workers=0: expected a whole number of at least 1"):
        gym.make("Ada3D-MotionShapes-v1", videos=14, workers=0)
    options = PaperOptions(workers=3)
    assert Composer(options, options.id, 0, tmp_path)("random").environment["workers"] == 3
    with pytest.raises(InputError, match="workers=0: expected at least 1"):
        PaperOptions(workers=0).check()
    task = BenchmarkTask(env="Ada3D-MotionShapes-v1")
    assert compose_task("random", task=task, seed=0, chosen=FullOptions(workers=3)).environment["workers"] == 3
    assert "workers" in signature(start).parameters
    (tmp_path / "settings.yaml").write_text("")
    assert Runs(tmp_path, (6.0,), 0, "cpu", 3).compose("random").environment["workers"] == 3


def test_table_2_is_the_same_table():
    assert Table2Options(workers=3).asked == Table2Options().asked


@dataclass(frozen=True)
class Say:
    """Writes how many threads decode in a process."""

    folder: Path
    title = ""

    def do(self) -> None:
        self.folder.write_text(json.dumps(default_workers()))


def test_processes_of_a_list_share_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    share_cores(2)
    share_cores(3)
    monkeypatch.setattr("joblib.cpu_count", lambda: 12)
    assert default_workers() == 2
    monkeypatch.undo()
    one_of_two = Worker(beside=2)
    try:
        one_of_two.start(Say(tmp_path / "threads"))
        while one_of_two.outcome() is None:
            wait_for_any([one_of_two])
    finally:
        one_of_two.end()
    assert json.loads((tmp_path / "threads").read_text()) == max(1, default_workers() // 2)
