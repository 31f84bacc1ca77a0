"""What a command says when something goes wrong: one line, not a traceback."""

from __future__ import annotations

import resource
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import pytest
import torch

import ada3d_gym
from ada3d_gym.agents.agent import OnEpoch
from ada3d_gym.datasets import motionshapes_clips
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.full import FullOptions, run_full
from ada3d_gym.experiments.benchmark.suite import read_suite
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.demo import demo
from ada3d_gym.experiments.evaluate import evaluate
from ada3d_gym.experiments.folders import claimed
from ada3d_gym.experiments.results import Result, ResultFile
from ada3d_gym.experiments.train import train
from ada3d_gym.experiments.training import train_to
from ada3d_gym.files import OutputError
from ada3d_gym.networks.checkpoints.weights import CheckpointError
from ada3d_gym.video.records import VideoError


@pytest.mark.parametrize(
    "error",
    [VideoError(Path("a.mp4"), "is missing"), CheckpointError("b.pt: damaged"), InputError("videos=0:\n  too few")],
    ids=repr,
)
def test_expected_errors_end_the_command_with_their_message(error: Exception, monkeypatch: pytest.MonkeyPatch):
    def command(count: int = 1) -> None:
        raise error

    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(SystemExit) as caught:
        run(command)
    assert caught.value.code == f"error: {error}".replace("\n  ", " ")


def test_an_interruption_says_that_the_command_can_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def command() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(SystemExit, match="130"):
        run(command)
    assert "interrupted: the same command goes on from here" in capsys.readouterr().err


def test_the_packages_own_warnings_are_one_line(monkeypatch: pytest.MonkeyPatch):
    shown = []

    def command() -> None:
        for file in (ada3d_gym.__file__, __file__):
            shown.append(warnings.formatwarning("the index is old", UserWarning, file, 1, ""))

    monkeypatch.setattr("sys.argv", ["command"])
    before = warnings.formatwarning
    run(command)
    assert shown == ["warning: the index is old\n", f"{__file__}:1: UserWarning: the index is old\n"]
    assert warnings.formatwarning is before


def test_arguments_reach_the_command(monkeypatch: pytest.MonkeyPatch):
    seen = []

    def command(seed: int = 0, output: Path | None = None) -> None:
        seen.append((seed, output))

    monkeypatch.setattr("sys.argv", ["command", "--seed", "3", "--output", "x"])
    run(command)
    assert seen == [(3, Path("x"))]


@pytest.mark.parametrize(
    "bug",
    [KeyError("bug"), ValueError("bug"), RuntimeError("bug"), OSError("bug"), BrokenPipeError("a worker's")],
    ids=repr,
)
def test_faults_of_the_program_are_not_hidden(bug: Exception, monkeypatch: pytest.MonkeyPatch):
    def command() -> None:
        raise bug

    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(type(bug)):
        run(command)


@pytest.mark.parametrize(
    "arguments", [["--debug", "--seed", "1"], ["--seed", "1", "--debug"], ["--seed", "1"]], ids=str
)
def test_a_traceback_is_shown_on_demand(arguments: list[str], monkeypatch: pytest.MonkeyPatch):
    def command(seed: int = 0) -> None:
        raise InputError(f"seed={seed}")

    monkeypatch.setattr("sys.argv", ["command", *arguments])
    if "--debug" not in arguments:
        monkeypatch.setenv("ADA3D_DEBUG", "1")
    with pytest.raises(InputError, match="seed=1"):
        run(command)


def test_an_id_that_gymnasium_does_not_know_is_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(SystemExit, match=r"^error: .*Ada3D-Moon"):
        run(lambda: gymnasium.make("Ada3D-Moon-v0"))


MOTION = "Ada3D-MotionShapes-v1"


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "", "meta", "cuda:99", "mps", "xla"])
def test_a_device_that_is_not_there_is_named_before_anything_is_written(tmp_path: Path, device: str):
    for attempt in (
        lambda: train(MOTION, "uniform", device=device, output=tmp_path / "run"),
        lambda: evaluate(MOTION, device=device, output=tmp_path / "run" / "lines.jsonl"),
        lambda: run_full(read_suite(MOTION), ("ppo",), 1, tmp_path / "run", options=FullOptions(), device=device),
        lambda: demo(quick=True, device=device, output=tmp_path / "run"),
    ):
        with pytest.raises(InputError, match=f"device '{device}'"):
            attempt()
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_is_asked_for_where_there_is_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(InputError, match="device 'cuda': PyTorch finds no CUDA GPU"):
        checked_device("cuda")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert [checked_device(name) for name in ("cpu", "cuda", "cuda:1")] == ["cpu", "cuda", "cuda:1"]
    with pytest.raises(InputError, match="device 'cuda:2': this machine has 2 GPUs"):
        checked_device("cuda:2")


def test_an_output_that_cannot_be_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ADA3D_CACHE", str(tmp_path / "cache"))  # nothing is rendered either
    file = tmp_path / "file"
    file.write_text("mine")
    for output in (file, file / "run", Path("/proc/run")):
        with pytest.raises(OutputError, match=f"^{output}.*--output"):
            train(MOTION, "uniform", videos=14, output=output)
    for output in (tmp_path, file / "lines.jsonl", Path("/proc/lines.jsonl"), Path("/dev/full")):
        with pytest.raises(OutputError, match=f"^{output}.*--output"):
            evaluate(MOTION, videos=14, output=output)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "mine"


@contextmanager
def full_disk(beyond: int) -> Iterator[None]:
    """Writes fail as on a full disk once a file is so long."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_is_one_line_and_the_command_goes_on_after(
    tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    for split in ("train", "test"):
        motionshapes_clips(split, videos=14).fill_cache("")
    folder = tmp_path / "run"
    monkeypatch.setattr("sys.argv", ["train", MOTION, "--agent", "uniform", "--videos", "14", "--output", str(folder)])
    with full_disk(20_000), pytest.raises(SystemExit) as ended:
        run(train)
    line = str(ended.value.code)
    assert line.startswith(f"error: {folder}") and "cannot be written" in line and "\n" not in line
    assert "free some space" in line
    train(MOTION, "uniform", videos=14, output=folder)


class Counting:
    """Learns to count, with much to remember."""

    epoch = 0

    def learn(self, until: int, on_epoch: OnEpoch) -> None:
        self.epoch = until
        on_epoch(until, {"reward": 1.0})

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "weights": torch.zeros(2000)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch = state["epoch"]


def test_whatever_a_full_disk_stops_is_named(tmp_path: Path):
    def claim() -> None:
        with claimed(tmp_path, {"seed": 0, "text": 2000 * "x"}):
            pass

    line = Result("Upper", 1, 1, 1, 1, 1, 1, 1, 1, 0, run={"text": 2000 * "x"})
    for write, named in (
        (claim, tmp_path / "options.json"),
        (lambda: ResultFile(tmp_path / "results.jsonl").add(line), tmp_path / "results.jsonl"),
        (lambda: train_to(tmp_path, "state", Counting(), 1), tmp_path / "state.pt"),
    ):
        with full_disk(1500), pytest.raises(OutputError, match=f"^{named} cannot be written .*free some space"):
            write()
