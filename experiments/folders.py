"""Folders of runs: one run each, one process at a time."""

from __future__ import annotations

import errno
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from ada3d_gym.errors import Ada3DError, InputError


def folder_name(agent: str) -> str:
    """An agent's name in that of a run's folder; agents of one class name in different modules have different ones."""
    return re.sub(r"[^\w.-]", "-", agent.replace(":", "."))


class BusyFolder(InputError):
    """Another process works in the folder."""


class OutputError(InputError):
    """Somewhere that nothing can be written."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What goes wrong while a file is written, or one in a folder, becomes one line that names it.

    Raises:
        OutputError: where the disk is full, the place is no folder or may not be written, and the like.
    """
    try:
        yield
    except Ada3DError:
        raise
    except (OSError, SafetensorError, RuntimeError) as error:
        if type(error) is RuntimeError and not _TORCH_WRITES.search(str(error)):
            raise
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        room = "free some room, and the same command goes on" if _full(error) else "choose another --output"
        raise OutputError(f"{path} cannot be written ({why}): {room}") from error


_TORCH_FULL = "unexpected pos|file write failed|PytorchStreamWriter"  # of torch.save, whose errors have no code
_TORCH_WRITES = re.compile(f"{_TORCH_FULL}|cannot be opened|does not exist")


def _full(error: Exception) -> bool:
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    told = [*(f"os error {code}\\b" for code in codes), _TORCH_FULL]
    return getattr(error, "errno", None) in codes or any(re.search(each, str(error)) for each in told)


def check_output(path: Path) -> None:
    """Makes the folder of a file that a command will write at its end, so that nothing is computed for nothing.

    Raises:
        OutputError: where there can be no such file.
    """
    with writing(path):
        if path.exists() and not path.is_file():
            raise OutputError(f"{path} is no file: --output names the file that gets the line")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass


@contextmanager
def claimed(folder: Path, options: dict[str, Any]) -> Iterator[None]:
    """The folder is this process's alone, and what shapes the run in it is noted there.

    Raises:
        BusyFolder: while another process has it; a process that was killed has nothing.
        ValueError: where it holds a run with other options.
    """
    lock = FileLock(folder / "run.lock")
    with writing(folder):
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is no folder: choose another --output")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise BusyFolder(f"another process works in {folder}: wait for it, or choose another --output") from None
    try:
        _note(folder, options)
        yield
    finally:
        lock.release()


@contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Leaves a folder to the process that works in it: says so, and goes on."""
    try:
        yield
    except BusyFolder:
        print(f"{folder}: left to the process that works in it", flush=True)


def _begun(folder: Path) -> bool:
    """Whether anything was computed; a run that failed before that is in nobody's way."""
    return (folder / "results.jsonl").exists() or any(folder.glob("*.pt"))


def _differences(theirs: dict[str, Any], ours: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key in {**theirs, **ours}:
        there, here = theirs.get(key), ours.get(key)
        if isinstance(there, dict) and isinstance(here, dict):
            yield from _differences(there, here, f"{key}.")
        elif there != here:
            yield f"{prefix}{key}: {there!r} there, {here!r} now"


def _note(folder: Path, options: dict[str, Any]) -> None:
    path = folder / "options.json"
    try:
        theirs = json.loads(path.read_text()) if path.exists() else options
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable ({error}); choose another --output or delete the folder") from error
    if theirs != options and _begun(folder):
        changed = "; ".join(_differences(theirs, options))
        raise InputError(f"{folder} holds another run ({changed}): choose another --output")
    part = path.with_suffix(".part")
    with writing(path):
        part.write_text(json.dumps(options))
        part.replace(path)
