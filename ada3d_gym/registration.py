"""The tables of environment ids: of masks, data sets x networks x frames a clip; of clip selection, data sets.

`ada3d_gym.register_dataset` adds those of a data set of one's own.

An id's version rises when its videos or rewards change, so that results under one id can be compared.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from ada3d_gym.errors import InputError, did_you_mean
from ada3d_gym.named import imported_module
from ada3d_gym.networks.spec import X3D_M, X3D_S, X3D_XS

SETS = {
    "MotionShapes": "motionshapes",
    "FCVID": "fcvid",
    "ActivityNet": "activitynet",
    "MiniKinetics": "mini-kinetics",
    "MiniKineticsAdaFocus": "mini-kinetics-adafocus",
    "Kinetics": "kinetics",
    "Videos": "videos",
}
NETWORKS = {"": "i3d", "SlowOnly-": "slowonly"}
FRAMES = {"": 8, "16-": 16}
X3DS = {"X3DXS": X3D_XS, "X3DS": X3D_S, "X3DM": X3D_M}  # each on clips as it was trained on
VERSIONS = {"motionshapes": 1}  # 0 for all others


def masks_of(name: str, dataset: str, version: int = 0) -> dict[str, dict[str, Any]]:
    """The ids of a data set and their arguments: networks x frames a clip.

    Args:
        name: of the data set in ids.
        dataset: the same on command lines.
        version: of the ids.
    """
    small = dataset == "motionshapes"
    rows = {
        f"Ada3D-{name}-{network}{length}v{version}": {
            "dataset": dataset,
            "num_frames": num_frames,
            "backbone": f"{backbone}_tiny" if small else f"{backbone}_r50",
        }
        for network, backbone in NETWORKS.items()
        for length, num_frames in FRAMES.items()
    }
    x3ds = {
        f"Ada3D-{name}-{network}-v{version}": {
            "dataset": dataset,
            "num_frames": spec.frames,
            "stride": spec.stride,
            "size": spec.side,
            "backbone": spec.name,
        }
        for network, spec in X3DS.items()
    }
    return rows if small else rows | x3ds


def looks_of(name: str, dataset: str, version: int = 0) -> dict[str, dict[str, Any]]:
    """The id of clip selection of a data set, likewise."""
    small = dataset == "motionshapes"
    return {
        f"Ada3D-{name}Untrimmed-v{version}": {
            "dataset": "motionshapes-untrimmed" if small else dataset,
            "num_frames": 8,
            "backbone": "i3d_tiny" if small else "i3d_r50",
            "selection": "shipped" if small else None,
        }
    }


ENVIRONMENTS: dict[str, dict[str, Any]] = {}
for _name, _dataset in SETS.items():
    ENVIRONMENTS |= masks_of(_name, _dataset, VERSIONS.get(_dataset, 0))

UNTRIMMED: dict[str, dict[str, Any]] = {}
"""Environments of clip selection: an episode is a long video, an action where to look next."""
for _name, _dataset in SETS.items():
    UNTRIMMED |= looks_of(_name, _dataset)


def check_id(env_id: str) -> None:
    """Raises InputError for an id that is not registered as one of masks; imports no module that it names."""
    if env_id in UNTRIMMED:
        raise InputError(f"{env_id!r} is an environment of clip selection, in which no masks are chosen: see its page")
    if env_id not in ENVIRONMENTS:
        name = env_id.rpartition("-v")[0]
        if others := [each for each in ENVIRONMENTS if each.rpartition("-v")[0] == name]:
            raise InputError(f"there is no environment {env_id!r} any more, or not yet: use {others[0]}")
        if ":" in env_id:
            raise InputError(f"environment {env_id!r}: expected an id alone; a module before it is not imported here")
        expected = f"one of {', '.join(ENVIRONMENTS)}{did_you_mean([env_id], ENVIRONMENTS)}"
        raise InputError(f"unknown environment {env_id!r}: expected {expected}")


def arguments_of(env_id: str) -> dict[str, Any]:
    """The arguments that an id stands for; of "module:ID", the module, which registers it, is imported first.

    Raises:
        InputError: for an id that is not registered as one of masks, and a module that cannot be imported.
    """
    own = _imported(env_id)
    check_id(own)
    return ENVIRONMENTS[own]


def look_arguments_of(env_id: str) -> dict[str, Any]:
    """The same of an id of clip selection."""
    own = _imported(env_id)
    if own not in UNTRIMMED:
        expected = f"one of {', '.join(UNTRIMMED)}{did_you_mean([own], UNTRIMMED)}"
        raise InputError(f"unknown environment of clip selection {env_id!r}: expected {expected}")
    return UNTRIMMED[own]


def _imported(env_id: str) -> str:
    """The id alone, once the module before it is imported."""
    if ":" in env_id:
        imported_module("environment", env_id, "an id, or module:ID of a module that registers it")
    return env_id.rpartition(":")[2]


def register() -> None:
    """Adds the ids of the tables to Gymnasium's registry; loads nothing."""
    _register(ENVIRONMENTS, UNTRIMMED)


def add(masks: dict[str, dict[str, Any]], looks: dict[str, dict[str, Any]]) -> None:
    """Adds ids to the tables and to Gymnasium's registry, in the place of those of the same data set.

    Args:
        masks: of environments of masks, and their arguments.
        looks: of those of clip selection.

    Raises:
        InputError: for an id of another data set.
    """
    for new, table in ((masks, ENVIRONMENTS), (looks, UNTRIMMED)):
        for name, options in new.items():
            known = ENVIRONMENTS.get(name) or UNTRIMMED.get(name)
            if known and known["dataset"] != options["dataset"]:
                raise InputError(f"{name} is an id of {known['dataset']}: give the data set another name, or a version")
        for name in new:
            gym.registry.pop(name, None)  # where a notebook registers it again
        table.update(new)
    _register(masks, looks)


def _register(masks: dict[str, dict[str, Any]], looks: dict[str, dict[str, Any]]) -> None:
    for name, options in masks.items():
        gym.register(
            name,
            entry_point="ada3d_gym.envs.env:Ada3DEnv",
            vector_entry_point="ada3d_gym.envs.vector_env:Ada3DVectorEnv",
            kwargs=options,
        )
    for name, options in looks.items():
        gym.register(
            name,
            entry_point="ada3d_gym.untrimmed.env:LookingEnv",
            vector_entry_point="ada3d_gym.untrimmed.vector_env:LookingVectorEnv",
            kwargs=options,
        )
