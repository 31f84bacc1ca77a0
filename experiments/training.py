"""Training in pieces: a checkpoint and TensorBoard figures each epoch."""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard.summary import scalar

from ada3d_gym import parallel
from ada3d_gym.agents.agent import OnEpoch
from ada3d_gym.agents.midway import Midway
from ada3d_gym.agents.states import load_state, save_state
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.pace import Pace
from ada3d_gym.experiments.profiles import keep_profile, section_seconds
from ada3d_gym.files import writing

SECONDS = "seconds"  # of an epoch, among its figures in TensorBoard
SAVE_MINUTES = "ADA3D_SAVE_MINUTES"  # environment variable: between checkpoints within an epoch


class Learner(Protocol):
    """What `train_to` trains."""

    epoch: int

    @property
    def midway(self) -> Midway | None: ...
    def learn(self, until: int, on_epoch: OnEpoch) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def train_to(folder: Path, name: str, learner: Learner, until: int) -> None:
    """Trains up to an epoch, from the last checkpoint, with a checkpoint and TensorBoard figures each epoch.

    A longer epoch has a checkpoint every ten minutes, or as many as the environment variable `SAVE_MINUTES` says. Figures are printed too, with the folder's name, since several runs may be trained at once. Of several processes
    that train one, the first writes.

    Raises:
        OutputError: where the folder cannot be written.
    """
    path = folder / f"{name}.pt"
    if learner.epoch == 0 and (state := load_state(path)):
        learner.load_state_dict(state)
    pace = Pace(60 * save_minutes())
    if learner.midway is not None:
        learner.midway.on_update = lambda batches: _save_midway(folder, name, learner, pace, batches)
    if parallel.rank() > 0:
        learner.learn(until, lambda epoch, figures: keep_profile())
        return
    log = FigureLog(folder / "tensorboard" / name)
    begun = time.perf_counter()

    def on_epoch(epoch: int, figures: dict[str, float]) -> None:
        nonlocal begun
        state = learner.state_dict()
        with writing(folder):
            save_state(path, state)
            log.add(epoch, figures | {SECONDS: time.perf_counter() - begun} | section_seconds())
        keep_profile()
        begun = time.perf_counter()
        shown = ", ".join(f"{key} {value:.3g}" for key, value in figures.items())
        print(f"{folder.name}, {name} epoch {epoch}: {shown}", flush=True)

    learner.learn(until, on_epoch)


def save_minutes() -> float:
    """Between checkpoints within an epoch.

    Raises:
        InputError: where the environment variable holds no such number.
    """
    given = os.environ.get(SAVE_MINUTES, "10")
    try:
        minutes = float(given)
    except ValueError:
        minutes = -1.0
    if not minutes >= 0:
        raise InputError(f"{SAVE_MINUTES}={given!r}: expected a number of minutes, at least 0")
    return minutes


def _save_midway(folder: Path, name: str, learner: Learner, pace: Pace, batches: int) -> None:
    if not pace.due(batches):
        return
    state = learner.state_dict()  # of all processes
    if parallel.rank() == 0:
        with writing(folder):
            save_state(folder / f"{name}.pt", state)


class FigureLog:
    """Figures of epochs as TensorBoard reads them, on disk at once.

    Its own writer works in a thread of its own, in which a full disk is a traceback, and loses what it holds when it is
    killed.
    """

    def __init__(self, folder: Path):
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self._path = folder / name

    def add(self, epoch: int, figures: Mapping[str, float]) -> None:
        events = [
            Event(wall_time=time.time(), step=epoch, summary=scalar(name, each)) for name, each in figures.items()
        ]
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            events.insert(0, Event(wall_time=time.time(), file_version="brain.Event:2"))
        records = io.BytesIO()
        writer = RecordWriter(records)
        for event in events:
            writer.write(event.SerializeToString())
        with self._path.open("ab") as file:
            file.write(records.getvalue())


def write_once(folder: Path, write: Callable[[], object]) -> None:
    """Writes in the first process, of several that train one run; the others read what it wrote."""
    if parallel.rank() == 0:
        with writing(folder):
            write()
    parallel.wait()
