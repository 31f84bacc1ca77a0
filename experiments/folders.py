"""Folders of runs: one run each, one process at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ada3d_gym.errors import InputError


def folder_name(agent: str) -> str:
    """An agent's name in that of a run's folder; agents of one class name in different modules have different ones."""
    return re.sub(r"[^\w.-]", "-", agent.replace(":", "."))


class BusyFolder(InputError):
    """Another process works in the folder."""


@contextmanager
def claimed(folder: Path, options: dict[str, Any]) -> Iterator[None]:
    """The folder is this process's alone, and what shapes the run in it is noted there.

    Raises:
        BusyFolder: while another process has it; a process that was killed has nothing.
        ValueError: where it holds a run with other options.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "run.lock")
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
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not readable ({error}); choose another --output or delete the folder") from error
    if theirs != options and _begun(folder):
        changed = "; ".join(_differences(theirs, options))
        raise InputError(f"{folder} holds another run ({changed}): choose another --output")
    part = path.with_suffix(".part")
    part.write_text(json.dumps(options))
    part.replace(path)
