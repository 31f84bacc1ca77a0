"""The embedded data sets by name, and their clips."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ada3d_gym.errors import InputError, check_counts
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.motionshapes.drawing import CLASSES
from ada3d_gym.video.motionshapes.files import MOTIONSHAPES, REMEDY, UNTRIMMED, cache_folder
from ada3d_gym.video.motionshapes.halves import Classes, chosen_classes, of_classes, videos_needed
from ada3d_gym.video.sampling import ClipSampler, Sampling

EMBEDDED_SETS = {each.name: each for each in (MOTIONSHAPES, UNTRIMMED)}
EMBEDDED = MOTIONSHAPES.name
MOTIONSHAPES_SIZE = 32  # pixels; the videos have twice as many
_STRIDES = {8: 4, 16: 2}  # clips of 29 and 31 of MotionShapes' 32 frames


def count_embedded(name: str, split: str, classes: Sequence[str] = CLASSES) -> int:
    """How many videos of these classes a split of an embedded set has."""
    drawn = EMBEDDED_SETS[name]
    drawn.check(split)
    return drawn.splits[split] * len(classes) // len(CLASSES)


def embedded_clips(
    name: str,
    split: str = "train",
    *,
    num_frames: int = 8,
    views: int | None = None,
    videos: int | None = None,
    sampling: Sampling = "strided",
    classes: Classes | None = None,
    workers: int | None = None,
) -> VideoClips:
    """Clips of an embedded data set's split, rendered and cached on first use.

    Args:
        name: in `EMBEDDED_SETS`: "motionshapes", or "motionshapes-untrimmed".
        split: "train", "val" or "test".
        num_frames: T, 8 (stride 4) or 16 (stride 2); for "whole" any number.
        views: clips per video, at evenly spread starts. The default is 4 for MotionShapes (there are no more with 8
            frames), 16 for its untrimmed videos, and 1 for "whole".
        videos: use only the first so many videos of the split; all by default.
        sampling: "strided", or "whole" for frames spread over all of the video; see `ClipSampler`.
        classes: use only the videos of these classes, given by their names or as the half "a" or "b"; labels are then
            numbers among these classes. All by default. See `ada3d_gym.video.motionshapes.halves`.
        workers: threads that decode; by default `ada3d_gym.workers.default_workers()`.

    Raises:
        ValueError: for a split, number of frames, number of videos or class that the set does not have.
    """
    drawn, whole = EMBEDDED_SETS[name], sampling == "whole"
    if sampling not in ("strided", "whole"):
        raise InputError(f"sampling={sampling!r}: {drawn.title} has strided or whole clips")
    check_counts(num_frames=num_frames, views=views, videos=videos, workers=workers)
    if num_frames not in _STRIDES and not whole:
        raise InputError(f"num_frames={num_frames}: MotionShapes has clips of {' or '.join(map(str, _STRIDES))} frames")
    drawn.check(split)
    names = CLASSES if classes is None else chosen_classes(classes)
    most = count_embedded(name, split, names)
    if videos is not None and not 0 < videos <= most:
        what = f"{name} {split}" + ("" if classes is None else f" of {', '.join(names)}")
        raise InputError(f"videos={videos} is outside 1 to {most}, the videos of {what}")
    stride = 1 if whole else _STRIDES[num_frames]
    views = views or (1 if whole else drawn.views)
    return VideoClips(
        of_classes(drawn.records(split, videos and videos_needed(names, videos)), names),
        names,
        ClipSampler(num_frames, stride, views, MOTIONSHAPES_SIZE, sampling=sampling),
        observation_size=MOTIONSHAPES_SIZE,
        cache=cache_folder() / "clips",
        key={**drawn.describe(), "split": split},
        remedy=REMEDY,
        workers=workers,
        dataset=name,
    )


motionshapes_clips = partial(embedded_clips, EMBEDDED)
"""Clips of MotionShapes; options of `embedded_clips`."""
