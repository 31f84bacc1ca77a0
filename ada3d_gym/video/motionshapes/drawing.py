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

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.errors import InputError

Array = NDArray[np.float32]

SCENES = ("stripes", "checkerboard", "dots", "rings")
OBJECTS = ("disc", "square", "triangle", "cross")
MOTIONS = ("left", "right", "up", "down", "clockwise", "counterclockwise")
CLASSES: tuple[str, ...] = SCENES + OBJECTS + MOTIONS
FAMILIES: tuple[str, ...] = ("scene",) * len(SCENES) + ("object",) * len(OBJECTS) + ("motion",) * len(MOTIONS)

SIZE = 64  # pixels, both sides
FRAMES = 32
# An object is shown from a multiple of SLOT on, for as many frames. A clip of 8 frames with stride 4 has one frame in
# each slot, whichever of the four it starts with, and one of 16 frames with stride 2 has two: all clips of a video show
# the object at the same place of the clip, and no view makes good what another misses.
SLOT = 4
TRANSLATION = {"slow": (0.4, 0.7), "fast": (3.5, 5.0)}  # pixels a frame, on a torus of 64
ROTATION = {"slow": (4.5, 7.0), "fast": (11.0, 15.0)}  # degrees a frame


@dataclass(frozen=True)
class Drawing:
    """A drawn video.

    Attributes:
        frames: (F, H, W, 3) uint8.
        visible: the half-open range of frames that shows its class.
        speed: of what moves, "slow" or "fast"; "" where the class is no motion.
    """

    frames: NDArray[np.uint8]
    visible: tuple[int, int]
    speed: str = ""


def draw(label: int, rng: np.random.Generator) -> Drawing:
    """Draws one video of class `label` (an index into `CLASSES`)."""
    family, name = FAMILIES[label], CLASSES[label]
    visible, speed = (0, FRAMES), ""
    if family == "scene":
        video = _blend(_texture(name, rng), *_two_colours(rng, least_contrast=0.30))
    else:
        video = _background(rng)
        if family == "object":
            visible = _window(rng)
            cover = _object_cover(name, rng)
            cover[: visible[0]] = 0
            cover[visible[1] :] = 0
        else:
            speed = "slow" if rng.random() < 0.5 else "fast"
            cover = _dumbbell_cover(name, speed, rng)
        video += cover[..., None] * (_foreground(video, rng) - video)
    noise = rng.standard_normal(video.shape, np.float32) * np.float32(rng.uniform(0.01, 0.04))
    video = video * np.float32(rng.uniform(0.85, 1.1)) + noise
    return Drawing((np.clip(video, 0, 1) * 255).astype(np.uint8), visible, speed)


def _grid() -> tuple[Array, Array]:
    """Pixel centres: x (1, 1, W) to the right, y (1, H, 1) downwards."""
    axis = np.arange(SIZE, dtype=np.float32) + 0.5
    return axis[None, None, :], axis[None, :, None]


def _time() -> Array:
    return np.arange(FRAMES, dtype=np.float32)[:, None, None]  # (F, 1, 1)


def _around(x: Array, centre: Array | float) -> Array:
    """Signed distance to `centre` on the torus, so that what leaves at one side comes back at the other."""
    return np.asarray((x - centre + SIZE / 2) % SIZE - SIZE / 2, np.float32)


def _rotated(x: Array, y: Array, angle: Array | float) -> tuple[Array, Array]:
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(c * x + s * y, np.float32), np.asarray(c * y - s * x, np.float32)


def _soft(distance: Array) -> Array:
    """Coverage in [0, 1] of a shape from its signed distance in pixels (negative inside)."""
    return np.asarray(np.clip(0.5 - distance, 0, 1), np.float32)


def _two_colours(rng: np.random.Generator, least_contrast: float) -> tuple[Array, Array]:
    while True:
        a, b = rng.uniform(0.1, 0.9, (2, 3)).astype(np.float32)
        if abs(float(a.mean() - b.mean())) >= least_contrast:
            return a, b


def _blend(weight: Array, a: Array, b: Array) -> Array:
    return np.asarray(a + weight[..., None] * (b - a), np.float32)


def _background(rng: np.random.Generator) -> Array:
    """(F, H, W, 3): two close colours blended by slow waves that drift."""
    x, y = _grid()
    drift = rng.uniform(-0.05, 0.05)
    wave = np.zeros((FRAMES, SIZE, SIZE), np.float32)
    for _ in range(2):
        fx, fy = rng.uniform(-1.2, 1.2, 2) * 2 * np.pi / SIZE
        wave += np.sin(fx * x + fy * y + rng.uniform(0, 2 * np.pi) + drift * _time()).astype(np.float32)
    a = rng.uniform(0.15, 0.85, 3).astype(np.float32)
    b = np.clip(a + rng.uniform(-0.15, 0.15, 3), 0, 1).astype(np.float32)
    return _blend(0.5 + 0.25 * wave, a, b)


def _foreground(background: Array, rng: np.random.Generator) -> Array:
    """A colour (3,) that stands out from the background's mean brightness."""
    mean = float(background.mean())
    while True:
        colour = rng.uniform(0, 1, 3).astype(np.float32)
        if abs(float(colour.mean()) - mean) >= 0.30:
            return colour


def _window(rng: np.random.Generator) -> tuple[int, int]:
    first = SLOT * int(rng.integers(FRAMES // SLOT))
    return first, first + SLOT


def _texture(name: str, rng: np.random.Generator) -> Array:
    """(F, H, W) in [0, 1]: a pattern that drifts slowly in a random direction."""
    x, y = _grid()
    vx, vy = rng.uniform(-0.4, 0.4, 2)
    x, y = x - vx * _time(), y - vy * _time()
    period = rng.uniform(10, 18)
    k = 2 * np.pi / period
    if name == "rings":
        cx, cy = rng.uniform(0.2 * SIZE, 0.8 * SIZE, 2)
        wave = np.sin(k * np.hypot(x - cx, y - cy) + rng.uniform(0, 2 * np.pi))
    else:
        x, y = _rotated(x, y, rng.uniform(0, 2 * np.pi))
        px, py = rng.uniform(0, 2 * np.pi, 2)
        if name == "stripes":
            wave = np.sin(k * x + px) + 0 * y
        elif name == "checkerboard":
            wave = np.sign(np.sin(k * x + px)) * np.sqrt(np.abs(np.sin(k * x + px) * np.sin(k * y + py)))
            wave = wave * np.sign(np.sin(k * y + py))
        elif name == "dots":
            wave = np.sin(k * x + px) + np.sin(k * y + py) - 0.9
        else:
            raise InputError(f"unknown texture {name!r}")
    return np.asarray(np.clip(0.5 + 1.5 * wave, 0, 1), np.float32)


def _object_cover(name: str, rng: np.random.Generator) -> Array:
    """(F, H, W): a whole shape at a random place, size and angle, drifting slowly."""
    x, y = _grid()
    cx, cy = rng.uniform(0.3 * SIZE, 0.7 * SIZE, 2)
    vx, vy = rng.uniform(-0.25, 0.25, 2)
    t = _time() - FRAMES / 2
    x, y = _rotated(x - cx - vx * t, y - cy - vy * t, rng.uniform(0, 2 * np.pi))
    return _soft(_SHAPES[name](x, y, rng.uniform(12, 17)))


def _disc(x: Array, y: Array, r: float) -> Array:
    return np.hypot(x, y) - np.float32(r)


def _square(x: Array, y: Array, r: float) -> Array:
    return np.maximum(np.abs(x), np.abs(y)) - np.float32(0.85 * r)


def _triangle(x: Array, y: Array, r: float) -> Array:
    slope = np.float32(np.sqrt(3) / 2)
    return np.maximum(slope * np.abs(x) + y / 2, -y) - np.float32(0.65 * r)


def _cross(x: Array, y: Array, r: float) -> Array:
    ax, ay = np.abs(x), np.abs(y)
    return np.maximum(np.maximum(ax, ay) - np.float32(1.1 * r), np.minimum(ax, ay) - np.float32(0.3 * r))


_SHAPES: dict[str, Callable[[Array, Array, float], Array]] = {
    "disc": _disc,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
}


def _dumbbell_cover(name: str, speed: str, rng: np.random.Generator) -> Array:
    """(F, H, W): a bar with one large and one small end, moving as the class says.

    The start (place and angle) is uniform, so that only a change over time tells the class.
    """
    angle: Array | float = rng.uniform(0, 2 * np.pi)
    cx, cy = rng.uniform(0, SIZE, 2)
    if name in ("clockwise", "counterclockwise"):
        turn = np.deg2rad(rng.uniform(*ROTATION[speed]))
        angle = angle + (turn if name == "clockwise" else -turn) * _time()  # y points down
    else:
        sx, sy = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}[name]
        step = rng.uniform(*TRANSLATION[speed])
        cx, cy = cx + sx * step * _time(), cy + sy * step * _time()
    x, y = _grid()
    x, y = _rotated(_around(x, cx), _around(y, cy), angle)
    arm, large = rng.uniform(10, 14), rng.uniform(6, 8)
    bar = np.maximum(np.abs(x) - np.float32(arm), np.abs(y) - np.float32(1.5))
    return _soft(np.minimum(np.minimum(_disc(x - arm, y, large), _disc(x + arm, y, large / 2)), bar))
