"""Agents on the benchmark's command line: NAME, NAME@PRESET or module:Class, and the options that they get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from ada3d_gym.agents.registry import PRESETS, agent_class, agent_options, preset, read_yaml
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.record import Track
from ada3d_gym.experiments.configuration import assignment, plain


def agent_name(label: str) -> str:
    """What `agents.registry.agent_class` knows it by."""
    return label.partition("@")[0]


def label_options(label: str, track: Track, sets: Sequence[str] = ()) -> dict[str, Any]:
    """All options of an agent on a track: those given, else the track's preset, else the agent's own.

    The track's presets are `agents/presets/TRACK/LABEL.yaml`. In tracks with a fixed classifier nobody trains it.

    Args:
        label: of the agent.
        track: where it competes.
        sets: options as "epochs=2"; those that it does not have are left to other agents, see `check_sets`.

    Raises:
        InputError: for an unknown agent, preset or value.
    """
    name, _, other = label.partition("@")
    kind = agent_class(name)
    names = [field.name for field in fields(kind.Options)]
    own = PRESETS / track / f"{label}.yaml"
    found = read_yaml(own) if own.exists() else preset(name, other or None)
    if track != "full" and "joint_epochs" in names:
        found["joint_epochs"] = 0
    if track == "trunk" and "train_trunk" in names:
        found["train_trunk"] = True
    given = [assignment(each, kind.Options) for each in sets]
    found |= {key: value for key, value in given if key in names}
    return _plain_options(name, found)


def check_sets(labels: Sequence[str], sets: Sequence[str]) -> None:
    """Raises InputError for an option that none of the agents has."""
    known = {field.name for label in labels for field in fields(agent_class(agent_name(label)).Options)}
    for each in sets:
        if (key := each.partition("=")[0]) not in known:
            raise InputError(f"--set {each}: none of {', '.join(labels)} has an option {key!r}")


def with_options(label: str, options: Mapping[str, Any], **replaced: Any) -> dict[str, Any]:
    """Options with some replaced, checked again."""
    return _plain_options(agent_name(label), {**options, **replaced})


def _plain_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = plain(asdict(agent_options(name, options)))
    return values
