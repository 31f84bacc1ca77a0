"""MotionShapes, the embedded videos: how they are drawn, and their files."""

from ada3d_gym.video.motionshapes.files import REMEDY, SPLITS, cache_folder, describe, motionshapes

__all__ = ["REMEDY", "SPLITS", "cache_folder", "describe", "motionshapes"]
