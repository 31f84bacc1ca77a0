"""MotionShapes, the embedded videos: how they are drawn, and their files."""

from ada3d_gym.video.motionshapes.files import (
    MOTIONSHAPES,
    REMEDY,
    SPLITS,
    UNTRIMMED,
    DrawnSet,
    cache_folder,
    motionshapes,
)

__all__ = ["MOTIONSHAPES", "REMEDY", "SPLITS", "UNTRIMMED", "DrawnSet", "cache_folder", "motionshapes"]
