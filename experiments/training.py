"""Training in pieces: a checkpoint and TensorBoard figures each epoch."""

from __future__ import annotations

import io
import math
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from ada3d_gym import parallel
from ada3d_gym.agents.agent import OnEpoch
from ada3d_gym.agents.midway import Midway
from ada3d_gym.agents.states import load_state, save_state
from ada3d_gym.divergence import check_state
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.pace import Pace
from ada3d_gym.experiments.profiles import keep_profile, section_seconds
from ada3d_gym.experiments.saying import epoch_line, say
from ada3d_gym.files import writing

READ = (".json", ".jsonl", ".npz", ".pt", ".safetensors")  # files of a run that all processes read
PATIENCE = 90.0  # seconds; NFS clients look anew after 60 by default
SECONDS = "seconds"  # of an epoch, among its figures in TensorBoard
BETWEEN_LINES = 5.0  # seconds: short epochs would fill a log
SAVE_MINUTES = "ADA3D_SAVE_MINUTES"  # environment variable: between checkpoints within an epoch


class Learner(Protocol):
    """What `train_to` trains."""

    epoch: int

    def learn(self, until: int, on_epoch: OnEpoch) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def train_to(
    folder: Path, name: str, learner: Learner, until: int, clock: Callable[[], float] = time.perf_counter
) -> None:
    """Trains up to an epoch, from the last checkpoint, with a checkpoint and TensorBoard figures each epoch.

    A learner that has a `midway`, as those that share `agents.progress.epoch_batches`, has checkpoints within an epoch
    too, every ten minutes, or as `saving_every` says. Of the first and the last epoch, and of those between that end at
    least `BETWEEN_LINES` seconds after the last line, the chief figures are printed, see `saying.epoch_line`.
    TensorBoard has all figures of all epochs. Of several processes that train one, the first reads and writes.

    Args:
        folder: of the run.
        name: of what is trained, and of its files.
        learner: where it has `seconds_left`, no more than those are said to be left.
        until: epochs in all.
        clock: seconds, from any start.

    Raises:
        OutputError: where the folder cannot be written.
        CheckpointError: for a checkpoint that cannot be read.
    """
    path = folder / f"{name}.pt"
    if learner.epoch == 0 and (state := _state_of_first(path)):
        learner.load_state_dict(state)
    midway: Midway | None = getattr(learner, "midway", None)
    if midway is not None:
        pace = Pace(60 * save_minutes())
        midway.on_update = lambda batches: _save_midway(path, learner, pace, batches)
    if parallel.rank() > 0:
        learner.learn(until, lambda epoch, figures: keep_profile())
        return
    log = FigureLog(folder / "tensorboard" / name)
    begun, said, unsaid = clock(), -math.inf, ""

    def on_epoch(epoch: int, figures: dict[str, float]) -> None:
        nonlocal begun, said, unsaid
        seconds = clock() - begun
        state = learner.state_dict()
        with writing(folder):
            save_state(path, state)
            log.add(epoch, figures | {SECONDS: seconds} | section_seconds())
        keep_profile()
        begun = clock()
        most = getattr(learner, "seconds_left", math.inf)
        unsaid = epoch_line(name, epoch, getattr(learner, "total_epochs", until), figures, seconds, most)
        if begun - said >= BETWEEN_LINES:
            say(folder, unsaid)
            said, unsaid = begun, ""

    learner.learn(until, on_epoch)
    if unsaid:
        say(folder, unsaid)


def save_minutes(name: str = SAVE_MINUTES) -> float:
    """Between checkpoints within an epoch.

    Args:
        name: what an error calls the number.

    Raises:
        InputError: where the environment variable holds no such number.
    """
    given = os.environ.get(SAVE_MINUTES, "10")
    try:
        minutes = float(given)
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes < math.inf:
        raise InputError(f"{name}={given}: expected a number of minutes, at least 0 (for every update)")
    return minutes


@contextmanager
def saving_every(minutes: float | None) -> Iterator[None]:
    """Sets the minutes between checkpoints within an epoch, for processes that are started meanwhile, too.

    Args:
        minutes: 0 for each update; None leaves them as they are.

    Raises:
        InputError: for a number below 0.
    """
    before = os.environ.get(SAVE_MINUTES)
    if minutes is not None:
        os.environ[SAVE_MINUTES] = str(minutes)
    try:
        save_minutes(SAVE_MINUTES if minutes is None else "save_minutes")
        yield
    finally:
        os.environ.pop(SAVE_MINUTES, None)
        if before is not None:
            os.environ[SAVE_MINUTES] = before


def _state_of_first(path: Path) -> dict[str, Any] | None:
    """The first process's checkpoint, in all: others' may be of before, as file systems of several machines have it."""
    if parallel.world() == 1:
        return load_state(path)
    data = path.read_bytes() if parallel.rank() == 0 and path.exists() else b""
    data = parallel.share(data)
    return load_state(path, data) if data else None


def _save_midway(path: Path, learner: Learner, pace: Pace, batches: int) -> None:
    if not pace.due(batches):
        return
    state = learner.state_dict()  # parts of which are other processes'
    check_state(state)
    if parallel.rank() == 0:
        with writing(path.parent):
            save_state(path, state)


class FigureLog:
    """Figures of epochs as TensorBoard reads them, on disk at once.

    Its own writer works in a thread of its own, in which a full disk is a traceback, and loses what it holds when it is
    killed.
    """

    def __init__(self, folder: Path):
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self._path = folder / name

    def add(self, epoch: int, figures: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # takes a third of a second, and help needs none
        from tensorboard.summary.writer.record_writer import RecordWriter
        from torch.utils.tensorboard.summary import scalar

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
    see_alike(folder)


def see_alike(folder: Path, seconds: float = PATIENCE) -> None:
    """Until all processes see the files of a folder as the first one does.

    File systems of several machines show what one has written to the others after some seconds.

    Raises:
        InputError: in all processes, where one of them does not: each machine may have a folder of its own.
    """
    if parallel.world() == 1:
        return
    theirs = parallel.gather(_files(folder) if parallel.rank() == 0 else {})[0]
    begun = time.monotonic()
    while (different := sorted(theirs.items() - _files(folder).items())) and time.monotonic() - begun < seconds:
        time.sleep(0.2)
    told = f"process {parallel.rank()} on {socket.gethostname()}: {different[0][0]}" if different else ""
    if found := [each for each in parallel.gather(told) if each]:
        raise InputError(
            f"{folder} is not the same folder for all processes, or not as up to date ({found[0]} is not as process 0 "
            f"wrote it, after {seconds:g} s): give an --output that the machines share"
        )


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of the files that processes read; opened, since file systems look anew for that."""
    found = {}
    for path in folder.glob("*"):
        if path.suffix in READ:
            with suppress(OSError), path.open("rb") as file:
                status = os.fstat(file.fileno())
                found[path.name] = status.st_size, status.st_mtime_ns
    return found
