"""The tables of environment ids: of masks, data sets x networks x frames a clip; of clip selection, data sets.

An id's version rises when its videos or rewards change, so that results under one id can be compared.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from ada3d_gym.errors import InputError, did_you_mean
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

ENVIRONMENTS: dict[str, dict[str, Any]] = {
    f"Ada3D-{name}-{network}{length}v{VERSIONS.get(dataset, 0)}": {
        "dataset": dataset,
        "num_frames": num_frames,
        "backbone": f"{backbone}_tiny" if dataset == "motionshapes" else f"{backbone}_r50",
    }
    for name, dataset in SETS.items()
    for network, backbone in NETWORKS.items()
    for length, num_frames in FRAMES.items()
} | {
    f"Ada3D-{name}-{network}-v0": {
        "dataset": dataset,
        "num_frames": spec.frames,
        "stride": spec.stride,
        "size": spec.side,
        "backbone": spec.name,
    }
    for name, dataset in SETS.items()
    if dataset != "motionshapes"
    for network, spec in X3DS.items()
}

UNTRIMMED: dict[str, dict[str, Any]] = {
    f"Ada3D-{name}Untrimmed-v0": {
        "dataset": "motionshapes-untrimmed" if dataset == "motionshapes" else dataset,
        "num_frames": 8,
        "backbone": "i3d_tiny" if dataset == "motionshapes" else "i3d_r50",
        "selection": "shipped" if dataset == "motionshapes" else None,
    }
    for name, dataset in SETS.items()
}
"""Environments of clip selection: an episode is a long video, an action where to look next."""


def check_id(env_id: str) -> None:
    """Raises ValueError for an id that is not one of this package's."""
    if env_id in UNTRIMMED:
        raise InputError(f"{env_id!r} is an environment of clip selection, in which no masks are chosen: see its page")
    if env_id not in ENVIRONMENTS:
        name = env_id.rpartition("-v")[0]
        if others := [each for each in ENVIRONMENTS if each.rpartition("-v")[0] == name]:
            raise InputError(f"there is no environment {env_id!r} any more, or not yet: use {others[0]}")
        expected = f"one of {', '.join(ENVIRONMENTS)}{did_you_mean([env_id], ENVIRONMENTS)}"
        raise InputError(f"unknown environment {env_id!r}: expected {expected}")


def register() -> None:
    """Adds the ids to Gymnasium's registry; loads nothing."""
    for name, options in ENVIRONMENTS.items():
        gym.register(
            name,
            entry_point="ada3d_gym.envs.env:Ada3DEnv",
            vector_entry_point="ada3d_gym.envs.vector_env:Ada3DVectorEnv",
            kwargs=options,
        )
    for name, options in UNTRIMMED.items():
        gym.register(
            name,
            entry_point="ada3d_gym.untrimmed.env:LookingEnv",
            vector_entry_point="ada3d_gym.untrimmed.vector_env:LookingVectorEnv",
            kwargs=options,
        )
