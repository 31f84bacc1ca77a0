"""Folders of runs: one run each, one process at a time."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.claims import Claimed, claim
from ada3d_gym.files import OutputError, replacing, writing

OPTIONS = "options.json"  # of a run's folder
INPUTS = "inputs"  # in it, beside the options


def folder_name(agent: str) -> str:
    """An agent's name in that of a run's folder; agents of one class name in different modules have different ones."""
    return re.sub(r"[^\w.-]", "-", agent.replace(":", "."))


class BusyFolder(InputError):
    """Another process works in the folder."""


def check_output(path: Path, option: str = "--output") -> None:
    """Makes the folder of a file that a command will write at its end, so that nothing is computed for nothing.

    Raises:
        OutputError: where there can be no such file.
    """
    with writing(path, f"choose another {option}"):
        if path.exists() and not path.is_file():
            raise OutputError(f"{path} is no file: {option} names the file that gets the results")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass


def begun(folder: Path) -> bool:
    """Whether anything was computed; a run that failed before that is in nobody's way."""
    return (folder / "results.jsonl").exists() or any(folder.glob("*.pt"))


@contextmanager
def claimed(
    folder: Path,
    options: dict[str, Any],
    *,
    inputs: Mapping[str, Any] | None = None,
    replaces: Mapping[str, str] | None = None,
    harmless: Container[str] = (),
    computed: Callable[[Path], bool] = begun,
) -> Iterator[None]:
    """The folder is this process's alone, and what shapes the run in it is noted there, in `options.json`.

    Args:
        folder: of the run.
        options: all that it was asked for, by name.
        inputs: what tells its files from others in the same places, by name, as far as it is known.
        replaces: options (by name, those in tables as "table.name") that are paths, and the input that counts in the
            place of each: a file may have moved.
        harmless: options that may change between the start of a run and its end.
        computed: whether the folder holds anything that other options would spoil.

    Raises:
        BusyFolder: while another process has it; a process that was killed has nothing.
        OutputError: where it cannot be written.
        InputError: where it holds a run with other options or inputs.
    """
    with ExitStack() as stack:
        with writing(folder):
            if folder.exists() and not folder.is_dir():
                raise OutputError(f"{folder} is no folder: choose another --output")
            folder.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(claim(folder / "run", fatal=True))
            except Claimed:
                told = f"another process works in {folder}: wait for it, or choose another --output"
                raise BusyFolder(told) from None
        _note(folder, options, dict(inputs or {}), replaces or {}, harmless, computed(folder))
        yield


@contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Leaves a folder to the process that works in it: says so, and goes on."""
    try:
        yield
    except BusyFolder:
        print(f"{folder}: left to the process that works in it", flush=True)


def _differences(theirs: dict[str, Any], ours: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The name of each option that differs, and how."""
    for key in {**theirs, **ours}:
        there, here = theirs.get(key), ours.get(key)
        if isinstance(there, dict) and isinstance(here, dict):
            yield from _differences(there, here, f"{prefix}{key}.")
        elif there != here:
            yield f"{prefix}{key}", f"{prefix}{key}: {there!r} there, {here!r} now"


def _note(
    folder: Path,
    options: dict[str, Any],
    inputs: dict[str, Any],
    replaces: Mapping[str, str],
    harmless: Container[str],
    computed: bool,
) -> None:
    path = folder / OPTIONS
    try:
        theirs = json.loads(path.read_text()) if path.exists() else dict(options)
        their_inputs = theirs.pop(INPUTS, {})
        known = their_inputs.keys() & inputs.keys()
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: not readable ({error}); choose another --output or delete the folder") from error
    changed = [
        told for name, told in _differences(theirs, options) if name not in harmless and replaces.get(name) not in known
    ]
    other = [
        f"{name}: {their_inputs[name]} there, {inputs[name]} now"
        for name in sorted(known)
        if their_inputs[name] != inputs[name]
    ]
    if (changed or other) and computed:
        remedy = "put back what it was begun with, or " if other else ""
        raise InputError(f"{folder} holds another run ({'; '.join(changed + other)}): {remedy}choose another --output")
    kept = their_inputs if computed else {}
    noted = options | ({INPUTS: kept | inputs} if kept | inputs else {})
    with replacing(path, "choose another --output") as part:
        part.write_text(json.dumps(noted))
