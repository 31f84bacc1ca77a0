"""Draws untrimmed MotionShapes videos: long ones in which the class shows in one part only, the event.

Around the event are distractors, which tell nothing of the class: the plain background, a dumbbell at rest, a blurred
blob, and faint waves. They, the background, the colours, the noise and the place and length of the event are drawn
before the class is looked at, so that videos of all classes drawn from one seed are the same outside the event, to the
bit. Everything is painted in one colour on one background that goes on through the whole video.
"""

from __future__ import annotations

import numpy as np

from ada3d_gym.video.motionshapes.drawing import CLASSES, FAMILIES, SLOT, Drawing, a_speed
from ada3d_gym.video.motionshapes.pieces import (
    SIZE,
    Array,
    blob_cover,
    close_colours,
    dumbbell_cover,
    faint_waves,
    numbered,
    object_cover,
    standing_out,
    texture,
    waves,
)

FRAMES = 256
EVENT = (48, 72)  # frames, least and most: 19 to 28 % of the video, so that a clip of 29 or 31 frames fits in anywhere
DISTRACTORS = ("background", "rest", "blob", "faint waves")
PARTS = 2  # of each distractor in every video, before the event covers some
# Of an object, SLOT frames of every PERIOD show it: two or three of the 8 frames of a clip in the event, wherever it
# starts, and each third of frames that are 16 apart, as those of the memory are.
PERIOD = 3 * SLOT
_KEY = 4  # frames between those whose waves are computed; the others are blended of these
_NOISE = 32  # frames of noise, taken in a random order


def draw_untrimmed(label: int, rng: np.random.Generator) -> Drawing:
    """Draws one video of class `label` (an index into `CLASSES`)."""
    own = np.random.default_rng(rng.integers(2**63))  # what depends on the class
    length = int(rng.integers(EVENT[0], EVENT[1] + 1))
    first = int(rng.integers(FRAMES - length + 1))
    event = first, first + length
    ground, (a, b) = _slow_waves(rng), close_colours(rng)
    colour = standing_out(float((a + b).mean() / 2), rng)
    cover = _distractors(rng)
    noise = rng.standard_normal((_NOISE, 3, SIZE, SIZE), np.float32) * np.float32(rng.uniform(0.01, 0.04))
    order, gain = rng.integers(_NOISE, size=FRAMES), np.float32(rng.uniform(0.85, 1.1))

    cover[slice(*event)], windows, speed = _event(label, event, own)
    frames = np.empty((FRAMES, SIZE, SIZE, 3), np.uint8)
    for channel in range(3):  # planes are several times as fast as pixels of three
        video = a[channel] + ground * (b[channel] - a[channel])
        video += cover * (colour[channel] - video)
        video *= gain
        video += noise[order, channel]
        frames[..., channel] = np.clip(video, 0, 1, out=video) * 255
    return Drawing(frames, event, speed, windows)


def _slow_waves(rng: np.random.Generator) -> Array:
    """(F, H, W): a background's waves."""
    keys = waves(numbered(FRAMES + 1)[::_KEY], rng)
    between = np.arange(_KEY, dtype=np.float32)[None, :, None, None] / _KEY
    return np.asarray(keys[:-1, None] + between * (keys[1:] - keys[:-1])[:, None], np.float32).reshape(-1, SIZE, SIZE)


def _distractors(rng: np.random.Generator) -> Array:
    """(F, H, W): all of them in turn, in a random order, each in its own part of the video."""
    cover = np.zeros((FRAMES, SIZE, SIZE), np.float32)
    kinds = rng.permutation(np.repeat(DISTRACTORS, PARTS))
    shares = rng.uniform(0.5, 1.5, len(kinds))
    ends = np.rint(FRAMES * np.cumsum(shares) / shares.sum()).astype(int)
    for kind, begin, end in zip(kinds.tolist(), [0, *ends], ends, strict=False):
        time = numbered(end - begin)
        if kind == "rest":
            cover[begin:end] = dumbbell_cover("right", "slow", time[:1], rng)
        elif kind == "blob":
            cover[begin:end] = blob_cover(time, rng)
        elif kind == "faint waves":
            cover[begin:end] = faint_waves(time, rng)
    return cover


def _event(label: int, event: tuple[int, int], rng: np.random.Generator) -> tuple[Array, list[tuple[int, int]], str]:
    """Where (F, H, W) an event's class covers the background, the windows that show an object, and a motion's speed."""
    family, name, (first, end) = FAMILIES[label], CLASSES[label], event
    time = numbered(end - first)
    if family == "scene":
        return texture(name, time, rng), [], ""
    if family == "motion":
        speed = a_speed(rng)
        return dumbbell_cover(name, speed, time, rng), [], speed
    cover = object_cover(name, time, rng)
    starts = range(first - int(rng.integers(PERIOD)), end, PERIOD)
    windows = [(max(first, start), min(end, start + SLOT)) for start in starts if start + SLOT > first]
    shown = np.zeros(end - first, np.bool_)
    for begin, stop in windows:
        shown[begin - first : stop - first] = True
    cover[~shown] = 0
    return cover, windows, ""
