"""The data sets by name: their clips, and what the embedded weights were trained on."""

from __future__ import annotations

from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.motionshapes import REMEDY, SPLITS, cache_folder, describe, motionshapes
from ada3d_gym.video.motionshapes_drawing import CLASSES

MOTIONSHAPES_SIZE = 32  # pixels; the videos have twice as many
_STRIDES = {8: 4, 16: 2}  # clips of 29 and 31 of the 32 frames


def motionshapes_clips(
    split: str = "train", *, num_frames: int = 8, views: int | None = None, videos: int | None = None
) -> VideoClips:
    """Clips of a MotionShapes split, rendered and cached on first use.

    Args:
        split: "train", "val" or "test".
        num_frames: T, 8 (stride 4) or 16 (stride 2).
        views: clips per video, at evenly spread starts; 4 by default, all that 8 frames have.
        videos: only the first so many videos of the split; all by default.

    Raises:
        ValueError: for a split, number of frames or number of videos that the set does not have.
    """
    if num_frames not in _STRIDES:
        raise ValueError(f"num_frames={num_frames}: MotionShapes has clips of {' or '.join(map(str, _STRIDES))} frames")
    if split not in SPLITS:
        raise ValueError(f"unknown MotionShapes split {split!r}: expected one of {', '.join(SPLITS)}")
    if views is not None and views < 1:
        raise ValueError(f"views={views}: expected at least 1")
    return VideoClips(
        motionshapes(split, videos),
        CLASSES,
        num_frames=num_frames,
        stride=_STRIDES[num_frames],
        views=views or 4,
        size=MOTIONSHAPES_SIZE,
        observation_size=MOTIONSHAPES_SIZE,
        cache=cache_folder() / "clips",
        key={**describe(), "split": split},
        remedy=REMEDY,
    )
