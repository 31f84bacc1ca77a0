"""What long work says of itself: what it is, its rate and the time left, on terminals and in logs."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ada3d_gym import progress
from ada3d_gym.agents.agent import OnEpoch
from ada3d_gym.agents.progress import epoch_batches
from ada3d_gym.building import build_trunk
from ada3d_gym.experiments.saying import TitledLines, epoch_line, say
from ada3d_gym.experiments.training import train_to
from ada3d_gym.networks import features
from ada3d_gym.networks.features import FrameFeatures
from ada3d_gym.progress import Lines, Progress, counted
from tests.synthetic import TableClips

Err = Callable[[], list[str]]


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


class Clock:
    """Seconds, as far as a test has let them pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def err(capsys: pytest.CaptureFixture[str]) -> Err:
    return lambda: capsys.readouterr().err.splitlines()


def steps(shown: Progress, clock: Clock, *taken: tuple[float, int]) -> None:
    """Counts so many at such times."""
    for clock.now, count in taken:
        shown.add(count)


def test_a_log_says_what_begins_how_far_it_is_and_how_long_it_took(err: Err):
    clock = Clock()
    with Progress(1400, "rendering MotionShapes train", "video", clock=clock) as shown:
        steps(shown, clock, (1, 20), (3, 40), (11, 160), (20, 200), (32, 220), (61, 400), (100, 200), (125, 100))
        clock.now = 132.0
        shown.add(60)
    assert err() == [
        "rendering MotionShapes train: 1,400 videos",
        "rendering MotionShapes train: 220 of 1,400 videos, 20.0 a second, 59 s left",
        "rendering MotionShapes train: 640 of 1,400 videos, 20.0 a second, 38 s left",
        "rendering MotionShapes train: 1,040 of 1,400 videos, 17.0 a second, 21 s left",
        "rendering MotionShapes train: 1,340 of 1,400 videos, 10.7 a second, 6 s left",
        "rendering MotionShapes train: 1,400 videos in 2 min",
    ]


def test_what_is_quick_or_quiet_says_nothing(err: Err):
    for quiet, seconds in ((False, 1.9), (True, 500.0)):
        clock = Clock()
        with Progress(700, "judging Upper", quiet=quiet, clock=clock) as shown:
            steps(shown, clock, (seconds, 700))
    assert err() == []


def test_a_first_part_that_takes_long_is_no_silence(monkeypatch: pytest.MonkeyPatch, err: Err):
    due: list[tuple[float, Callable[[], None]]] = []

    class Alarm(threading.Timer):
        def start(self) -> None:
            due.append((self.interval, self.function))

    monkeypatch.setattr(progress.threading, "Timer", Alarm)
    with Progress(None, "loading"):
        [(seconds, ring)] = due
        ring()
        assert seconds == 2 and err() == ["loading"]


def test_epochs_speak_only_where_one_takes_long(err: Err):
    clock = Clock()
    with Progress(1000, "stage 1, epoch 1 of 3", repeated=True, clock=clock) as shown:
        steps(shown, clock, (5, 100), (12, 140), (40, 760))
    assert err() == ["stage 1, epoch 1 of 3: 240 of 1,000 clips, 20.0 a second, 38 s left"]


def test_what_was_done_before_took_no_time_now(err: Err):
    clock = Clock()
    shown = Progress(1600, "benchmark", "run", done=500, repeated=True, clock=clock)
    steps(shown, clock, (300, 50))
    shown.doing("task 1, ppo, seed 3")
    steps(shown, clock, (600, 50))
    shown.close()
    assert err() == [
        "benchmark: 550 of 1,600 runs, 2 h left",
        "benchmark: 600 of 1,600 runs, 2 h left (task 1, ppo, seed 3)",
    ]


def test_what_fails_does_not_say_that_it_is_done(err: Err):
    clock = Clock()
    with pytest.raises(ZeroDivisionError), Progress(10, "judging", clock=clock) as shown:
        steps(shown, clock, (100, 5))
        raise ZeroDivisionError
    assert err() == ["judging: 10 clips", "judging: 5 of 10 clips, 2 min left"]


def test_a_terminal_shows_clips_a_second(monkeypatch: pytest.MonkeyPatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    source = TableClips([(0,)] * 6, 2, num_frames=2)
    sizes = [size for _, size, _ in epoch_batches(source, np.arange(6), 4, "stage 1", 0, 2)]
    assert sizes == [4, 2]
    assert list(counted("ab", 2, "graphs", "graph")) == ["a", "b"]
    for told in ("stage 1, epoch 1 of 2", "0/6", "clips", "graphs"):
        assert told in terminal.written


def test_looking_at_clips_for_the_first_time_is_said_where_nothing_else_is(monkeypatch: pytest.MonkeyPatch, err: Err):
    clock = Clock()
    monkeypatch.setattr(features, "Lines", lambda *told: Lines(*told, clock=clock))
    source = TableClips([(0,)] * 6, 2, num_frames=2)
    of = FrameFeatures(build_trunk(2, 8))
    with Progress(None, "an epoch", repeated=True):
        of(source, np.arange(2))
    clock.now = 3.0
    for ids in ([2, 3], [3], [4]):
        of(source, np.array(ids))
    clock.now = 12.0
    of(source, np.array([5, 0]))
    what = "decoding clips and computing features of their frames, once for each clip"
    assert err() == [what, f"{what}: 4 clips"]


def test_lines_of_several_runs_say_whose_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    written = io.BytesIO()
    stream = TitledLines(io.TextIOWrapper(written, "utf-8"))
    monkeypatch.setattr(sys, "stdout", stream)
    say(tmp_path / "reinforce", "begun")
    stream.title = "Ada3D-MotionShapes-v1, seed 1, reinforce"
    say(tmp_path / "reinforce", "agent epoch 1")
    print("a table:\n\nits row")
    assert written.getvalue().decode().splitlines() == [
        "reinforce: begun",
        "[Ada3D-MotionShapes-v1, seed 1, reinforce] agent epoch 1",
        "[Ada3D-MotionShapes-v1, seed 1, reinforce] a table:",
        "",
        "[Ada3D-MotionShapes-v1, seed 1, reinforce] its row",
    ]


def test_a_line_of_an_epoch_has_what_matters():
    found = {"entropy_frames": 0.5, "reward": 1.234, "correct": 0.9, "frames": 2.5, "stages": 1.0, "keep_frames/a": 0.1}
    assert epoch_line("agent", 3, 5, found, 42.4) == (
        "agent epoch 3 of 5: reward 1.23, correct 0.9, frames 2.5, stages 1, 42 s, about 85 s left"
    )
    assert epoch_line("trunk", 2, 2, {"loss": 0.51}, 0.2) == "trunk epoch 2 of 2: loss 0.51, 1 s"
    assert epoch_line("trunk", 2, 9, {"loss": 0.51}, 10.0, most=15.0).endswith("10 s, about 15 s left")


class Epochs:
    """A learner whose epochs take seconds of a clock, and which may end before it has had all."""

    def __init__(self, clock: Clock, seconds: list[float]):
        self.clock, self.seconds, self.epoch = clock, seconds, 0

    def learn(self, until: int, on_epoch: OnEpoch) -> None:
        for seconds in self.seconds[:until]:
            self.clock.now += seconds
            self.epoch += 1
            on_epoch(self.epoch, {"loss": 0.5})

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch = state["epoch"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        ([0.25] * 50, [1, 21, 41, 50]),
        ([6.0] * 3, [1, 2, 3]),
        ([2.0, 2.0, 6.0, 1.0, 1.0], [1, 3, 5]),  # of 50: it ends early
        ([0.1], [1]),
    ],
)
def test_short_epochs_share_a_line(
    seconds: list[float], shown: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    clock = Clock()
    train_to(tmp_path, "trunk", Epochs(clock, seconds), 50, clock)
    told = capsys.readouterr().out.splitlines()
    assert [line.split(" of 50")[0].removeprefix(f"{tmp_path.name}: trunk epoch ") for line in told] == [
        str(epoch) for epoch in shown
    ]
