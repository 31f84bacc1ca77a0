"""What somebody else's run may not do unless it is trusted: have code run, and files outside of its folder read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ada3d_gym.agents.registry import agent_names
from ada3d_gym.errors import InputError

if TYPE_CHECKING:
    from ada3d_gym.experiments.runs import Run

NAMED = ("dataset", "reward", "backbone")  # arguments of an environment that may name a module, as "module:name"
REMEDY = "give --trust if you know where the run comes from"


def check_modules(run: Run, folder: Path) -> None:
    """Raises InputError for a run that would have a module imported."""
    for agent in (run.agent, run.options.get("agent") if run.transfer else None):
        if agent and agent not in agent_names():
            raise InputError(f"{folder} was trained with {agent}, whose code would be run: {REMEDY}")
    named = {"environment": run.env} | {name: run.environment.get(name) for name in NAMED}
    for what, name in named.items():
        if ":" in str(name or ""):
            raise InputError(f"{folder} was trained with the {what} {name}, whose code would be run: {REMEDY}")


def check_files(run: Run, folder: Path) -> None:
    """Raises InputError for a run that would have a file outside of its folder read."""
    for name in ("environment.features", "options.weights", "options.state", "options.agent_options.weights"):
        path = run.file(name)
        if path is not None and not Path(path).resolve().is_relative_to(folder.resolve()):
            what = name.rpartition(".")[2]
            raise InputError(f"{folder} has {what} read from elsewhere, {path}: {REMEDY}")
