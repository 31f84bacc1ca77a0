"""How an object moves through a video: its place, size and angle at every frame.

Whatever moves, the distribution of place, size and angle at any one frame is the same (the torus of places is covered
evenly, growing starts over at a random moment), so that one frame tells nothing about the motion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

TORUS = 1.2  # frames' widths and heights after which an object comes back at the other side
SIZES = (0.15, 0.30)  # radius of an object, in a frame's shorter side
MOTIONS = ("right", "left", "down", "up", "clockwise", "counter-clockwise", "grows", "shrinks", "oscillates", "swings")


@dataclass(frozen=True)
class Track:
    """An object over time; all arrays (F,) float32.

    Attributes:
        x: of its centre to the right, in frames' widths on the torus.
        y: downwards, in heights.
        size: radius in shorter sides.
        angle: radians, clockwise as seen.
        presence: how far it covers what lies behind it, 0 to 1.
    """

    x: Array
    y: Array
    size: Array
    angle: Array
    presence: Array

    def part(self, rng: np.random.Generator) -> Track:
        """The same object in the picture for 35 to 55 % of the time alone."""
        count = len(self.x)
        length = rng.uniform(0.35, 0.55) * count
        start = rng.uniform(0, count - length)
        time = np.arange(count)
        inside = np.minimum(time - start, start + length - time) / 2 + 0.5
        return replace(self, presence=np.clip(inside, 0, 1).astype(np.float32))


def track(motion: str, frames: int, rate: float, rng: np.random.Generator) -> Track:
    """A track with one of `MOTIONS`, or "drifts", beside slow ones of every kind.

    Args:
        motion: what tells a class.
        frames: of the video.
        rate: frames a second.
        rng: draws all else.
    """
    seconds = frames / rate
    s = np.linspace(0, 1, frames)  # the video's time
    x, y, turn, phase = rng.uniform(0, 1, 4)
    # Cycles of a motion during the video: by its pace a second, but enough to be seen, and for 8 frames not too many.
    cycles = float(np.clip(rng.uniform(0.2, 0.5) * seconds, 0.7, 2.5))
    beats = float(np.clip(rng.uniform(0.5, 1.0) * seconds, 1.5, 3.0))
    drift = rng.uniform(-0.05, 0.05, 2) * seconds
    px, py = TORUS * x + drift[0] * s, TORUS * y + drift[1] * s
    angle = 2 * np.pi * turn + np.deg2rad(rng.uniform(-12, 12)) * seconds * s
    grown = np.full(frames, phase)
    swing = rng.uniform(0.6, 1.0) * np.sin(2 * np.pi * (beats * s + rng.uniform(0, 1)))
    if motion in ("right", "left"):
        px = px + (1 if motion == "right" else -1) * TORUS * cycles * s
    elif motion in ("down", "up"):
        py = py + (1 if motion == "down" else -1) * TORUS * cycles * s
    elif motion in ("clockwise", "counter-clockwise"):
        angle = angle + (1 if motion == "clockwise" else -1) * 2 * np.pi * cycles * s
    elif motion in ("grows", "shrinks"):
        grown = (phase + (1 if motion == "grows" else -1) * cycles * s) % 1
    elif motion == "oscillates":
        way = rng.uniform(0, 2 * np.pi)
        px, py = px + 0.3 * np.cos(way) * swing, py + 0.3 * np.sin(way) * swing
    elif motion == "swings":
        angle = angle + 1.3 * swing
    breath = 1 + rng.uniform(0, 0.08) * np.sin(2 * np.pi * (rng.uniform(0.2, 0.6) * seconds * s + rng.uniform(0, 1)))
    size = SIZES[0] * (SIZES[1] / SIZES[0]) ** grown * breath
    return Track(*(each.astype(np.float32) for each in (px % TORUS, py % TORUS, size, angle, np.ones(frames))))


def shake(frames: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A hand-held camera: offsets (F, 2) in frames' sides, some per cent, that wander and come back."""
    steps = rng.normal(0, 1, (frames + 8, 2)).cumsum(0)
    smooth = np.stack([np.convolve(steps[:, axis], np.full(9, 1 / 9), "valid") for axis in range(2)], 1)
    wander = smooth - np.linspace(0, 1, frames)[:, None] * (smooth[-1] - smooth[0]) - smooth[0]
    return np.asarray(rng.uniform(0, 0.012) * wander, np.float32)
