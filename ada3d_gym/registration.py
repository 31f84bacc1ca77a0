"""The one table of environment ids."""

from __future__ import annotations

import gymnasium as gym

ENVIRONMENTS: dict[str, dict[str, object]] = {
    "Ada3D-MotionShapes-v0": {"num_frames": 8},
}


def register() -> None:
    """Adds the ids to Gymnasium's registry; loads nothing."""
    for name, options in ENVIRONMENTS.items():
        gym.register(name, entry_point="ada3d_gym.env:Ada3DEnv", kwargs=options)
