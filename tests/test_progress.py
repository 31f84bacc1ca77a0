"""What long work says of itself: its rate and the time left, on terminals and in logs."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ada3d_gym import progress
from ada3d_gym.agents.progress import epoch_batches
from ada3d_gym.progress import Progress
from tests.synthetic import TableClips


class Terminal:
    """Standard error as a terminal has it."""

    def __init__(self) -> None:
        self.written = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        pass


def clock(monkeypatch: pytest.MonkeyPatch, seconds: list[float]) -> None:
    monkeypatch.setattr(progress.time, "monotonic", lambda: seconds.pop(0))


def test_a_log_gets_a_line_a_minute(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    clock(monkeypatch, [0.0, 30.0, 61.0, 90.0, 125.0])
    shown = Progress(10_000, "epoch 1 of 3")
    for _ in range(4):
        shown.add(1220)
    shown.close()
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1 of 3: 2,440 of 10,000 clips, 40.0 a second, 03:09 left",
        "epoch 1 of 3: 4,880 of 10,000 clips, 39.0 a second, 02:11 left",
    ]


def test_what_was_done_before_took_no_time_now(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    clock(monkeypatch, [0.0, 100.0])
    Progress(1000, "judging", done=500).add(100)
    assert capsys.readouterr().err == "judging: 600 of 1,000 clips, 1.0 a second, 06:40 left\n"


def test_another_process_says_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    clock(monkeypatch, [0.0, 100.0])
    Progress(1000, "judging", quiet=True).add(100)
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_clips_a_second(monkeypatch: pytest.MonkeyPatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    source = TableClips([(0,)] * 6, 2, num_frames=2)
    sizes = [size for _, size, _ in epoch_batches(source, np.arange(6), 4, "stage 1", 0, 2)]
    assert sizes == [4, 2]
    assert "stage 1, epoch 1 of 2" in terminal.written
    assert "0/6" in terminal.written
    assert "clips" in terminal.written
