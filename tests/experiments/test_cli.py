"""What a command says when something goes wrong: one line, not a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from ada3d_gym.networks.checkpoints import CheckpointError
from ada3d_gym.video.records import VideoError
from experiments.cli import run


@pytest.mark.parametrize(
    "error",
    [VideoError(Path("a.mp4"), "is missing"), CheckpointError("b.pt: damaged"), ValueError("limit=0")],
    ids=repr,
)
def test_expected_errors_end_the_command_with_their_message(error: Exception, monkeypatch: pytest.MonkeyPatch):
    def command(count: int = 1) -> None:
        raise error

    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(SystemExit) as caught:
        run(command)
    assert caught.value.code == f"error: {error}"


def test_an_interruption_says_that_the_command_can_go_on(monkeypatch: pytest.MonkeyPatch):
    def command() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(SystemExit, match=r"interrupted.*goes on from here"):
        run(command)


def test_arguments_reach_the_command(monkeypatch: pytest.MonkeyPatch):
    seen = []

    def command(seed: int = 0, output: Path | None = None) -> None:
        seen.append((seed, output))

    monkeypatch.setattr("sys.argv", ["command", "--seed", "3", "--output", "x"])
    run(command)
    assert seen == [(3, Path("x"))]


def test_our_own_bugs_are_not_hidden(monkeypatch: pytest.MonkeyPatch):
    def command() -> None:
        raise KeyError("bug")

    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(KeyError):
        run(command)
