"""Draws the MotionShapes videos: pure functions from a random generator to frames, without files.

Three families of classes, so that the right policy is known for each clip and no mask serves all:

* **scene** (textures): any one frame tells the class;
* **object** (shapes): the object is shown in one eighth of the video only, so which frame is kept matters;
* **motion** (a dumbbell): classes differ only in the direction or sense of motion, so no single frame helps. Slow
  motions are to be seen between frames far apart, fast ones between neighbours: twice as far, they look reversed.

Positions, angles and phases are uniform on a torus, which makes every frame of a motion class distributed like every
frame of each other motion class. Size, speed, colour, contrast, background, noise and start vary in all families.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.video.motionshapes.pieces import (
    blend,
    close_colours,
    dumbbell_cover,
    numbered,
    object_cover,
    standing_out,
    texture,
    two_colours,
    waves,
)

SCENES = ("stripes", "checkerboard", "dots", "rings")
OBJECTS = ("disc", "square", "triangle", "cross")
MOTIONS = ("left", "right", "up", "down", "clockwise", "counterclockwise")
CLASSES: tuple[str, ...] = SCENES + OBJECTS + MOTIONS
FAMILIES: tuple[str, ...] = ("scene",) * len(SCENES) + ("object",) * len(OBJECTS) + ("motion",) * len(MOTIONS)

FRAMES = 32
# An object is shown from a multiple of SLOT on, for as many frames. A clip of 8 frames with stride 4 has one frame in
# each slot, whichever of the four it starts with, and one of 16 frames with stride 2 has two: all clips of a video show
# the object at the same place of the clip, and no view makes good what another misses.
SLOT = 4


@dataclass(frozen=True)
class Drawing:
    """A drawn video.

    Attributes:
        frames: (F, H, W, 3) uint8.
        visible: the half-open range of frames that shows its class.
        speed: of what moves, "slow" or "fast"; "" where the class is no motion.
        windows: half-open ranges within `visible`, where only these show it.
    """

    frames: NDArray[np.uint8]
    visible: tuple[int, int]
    speed: str = ""
    windows: Sequence[tuple[int, int]] = ()


def draw(label: int, rng: np.random.Generator) -> Drawing:
    """Draws one video of class `label` (an index into `CLASSES`)."""
    family, name, time = FAMILIES[label], CLASSES[label], numbered(FRAMES)
    visible, speed = (0, FRAMES), ""
    if family == "scene":
        video = blend(texture(name, time, rng), *two_colours(rng, least_contrast=0.30))
    else:
        video = blend(waves(time, rng), *close_colours(rng))
        if family == "object":
            visible = _window(rng)
            cover = object_cover(name, time, rng)
            cover[: visible[0]] = 0
            cover[visible[1] :] = 0
        else:
            speed = a_speed(rng)
            cover = dumbbell_cover(name, speed, time, rng)
        video += cover[..., None] * (standing_out(float(video.mean()), rng) - video)
    noise = rng.standard_normal(video.shape, np.float32) * np.float32(rng.uniform(0.01, 0.04))
    video = video * np.float32(rng.uniform(0.85, 1.1)) + noise
    return Drawing((np.clip(video, 0, 1) * 255).astype(np.uint8), visible, speed)


def a_speed(rng: np.random.Generator) -> str:
    return "slow" if rng.random() < 0.5 else "fast"


def _window(rng: np.random.Generator) -> tuple[int, int]:
    first = SLOT * int(rng.integers(FRAMES // SLOT))
    return first, first + SLOT
