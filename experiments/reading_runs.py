"""The run in a folder, which may be somebody else's."""

from __future__ import annotations

import json
from pathlib import Path

from ada3d_gym.agents.registry import agent_names, parse
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.configuration import check_environment
from ada3d_gym.experiments.folders import INPUTS, OPTIONS
from ada3d_gym.experiments.runs import POLICY, TRUNK, Run
from ada3d_gym.registration import arguments_of

NAMED = ("dataset", "reward", "backbone")  # arguments of an environment that may name a module, as "module:name"
REMEDY = "give --trust if you know where the run comes from"


def read_run(folder: Path, *, trust: bool = False) -> Run:
    """The run in a folder, as `ada3d train` left it.

    Args:
        folder: of the run; it may be somebody else's.
        trust: import modules that it names, and read weights outside of it that it names.

    Raises:
        InputError: for what is no run, and for one that has to be trusted.
    """
    path = folder / OPTIONS
    try:
        written = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} holds no run of 'ada3d train' ({error})") from error
    if not isinstance(written, dict):
        raise InputError(f"{folder} holds no run of 'ada3d train' ({path} is no table of settings)")
    run: Run = parse(Run, {key: value for key, value in written.items() if key != INPUTS}, f"setting in {path}")
    if not trust:
        _check_modules(run, folder)
    arguments_of(run.env)
    check_environment(run.environment, str(path))
    if run.transfer:
        for setting, name in POLICY.items():
            run = run.with_file(setting, folder / name) if (folder / name).exists() else run
    elif (folder / TRUNK).exists():
        run = run.with_trunk(folder / TRUNK)
    if not trust:
        _check_files(run, folder)
    return run


def _check_modules(run: Run, folder: Path) -> None:
    """Raises InputError for a run that would have a module imported."""
    for agent in (run.agent, run.options.get("agent") if run.transfer else None):
        if agent and agent not in agent_names():
            raise InputError(f"{folder} was trained with {agent}, whose code would be run: {REMEDY}")
    named = {"environment": run.env} | {name: run.environment.get(name) for name in NAMED}
    for what, name in named.items():
        if ":" in str(name or ""):
            raise InputError(f"{folder} was trained with the {what} {name}, whose code would be run: {REMEDY}")


def _check_files(run: Run, folder: Path) -> None:
    """Raises InputError for a run that would have a file outside of its folder read."""
    for name in ("environment.features", "options.weights", "options.state", "options.agent_options.weights"):
        path = run.file(name)
        if path is not None and not Path(path).resolve().is_relative_to(folder.resolve()):
            what = name.rpartition(".")[2]
            raise InputError(f"{folder} has {what} read from elsewhere, {path}: {REMEDY}")
