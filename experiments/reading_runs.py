"""The run in a folder, which may be somebody else's."""

from __future__ import annotations

import json
from pathlib import Path

from ada3d_gym.agents.registry import parse
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.configuration import check_environment
from ada3d_gym.experiments.folders import INPUTS, OPTIONS
from ada3d_gym.experiments.runs import POLICY, TRUNK, Run
from ada3d_gym.experiments.trust import check_files, check_modules
from ada3d_gym.registration import check_id


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
        check_modules(run, folder)
    if ":" not in run.env:  # a module is imported when it is used
        check_id(run.env)
    check_environment(run.environment, str(path))
    if run.transfer:
        for setting, name in POLICY.items():
            run = run.with_file(setting, folder / name) if (folder / name).exists() else run
    elif (folder / TRUNK).exists():
        run = run.with_trunk(folder / TRUNK)
    if not trust:
        check_files(run, folder)
    return run
