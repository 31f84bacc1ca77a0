"""The one table of environment ids."""

from __future__ import annotations

import gymnasium as gym

ENVIRONMENTS: dict[str, dict[str, object]] = {
    "Ada3D-MotionShapes-v0": {"num_frames": 8},
    "Ada3D-FCVID-v0": {"dataset": "fcvid", "num_frames": 8, "backbone": "i3d_r50"},
    "Ada3D-ActivityNet-v0": {"dataset": "activitynet", "num_frames": 8, "backbone": "i3d_r50"},
    "Ada3D-MiniKinetics-v0": {"dataset": "mini-kinetics", "num_frames": 8, "backbone": "i3d_r50"},
    "Ada3D-MiniKineticsAdaFocus-v0": {"dataset": "mini-kinetics-adafocus", "num_frames": 8, "backbone": "i3d_r50"},
    "Ada3D-Kinetics-v0": {"dataset": "kinetics", "num_frames": 8, "backbone": "i3d_r50"},
    "Ada3D-Videos-v0": {"dataset": "videos", "num_frames": 8, "backbone": "i3d_r50"},
}


def register() -> None:
    """Adds the ids to Gymnasium's registry; loads nothing."""
    for name, options in ENVIRONMENTS.items():
        gym.register(name, entry_point="ada3d_gym.env:Ada3DEnv", kwargs=options)
