"""What MotionShapes videos are drawn of: backgrounds, colours, and where shapes, textures and dumbbells cover them.

Time is an array (F, 1, 1) of frame numbers, so that a piece can be drawn for any part of a video.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.errors import InputError

Array = NDArray[np.float32]

SIZE = 64  # pixels, both sides
TRANSLATION = {"slow": (0.4, 0.7), "fast": (3.5, 5.0)}  # pixels a frame, on a torus of 64
ROTATION = {"slow": (4.5, 7.0), "fast": (11.0, 15.0)}  # degrees a frame


def _grid() -> tuple[Array, Array]:
    """Pixel centres: x (1, 1, W) to the right, y (1, H, 1) downwards."""
    axis = np.arange(SIZE, dtype=np.float32) + 0.5
    return axis[None, None, :], axis[None, :, None]


def numbered(frames: int) -> Array:
    """Time (F, 1, 1) from 0 on."""
    return np.arange(frames, dtype=np.float32)[:, None, None]


def _around(x: Array, centre: Array | float) -> Array:
    """Signed distance to `centre` on the torus, so that what leaves at one side comes back at the other."""
    return np.asarray((x - centre + SIZE / 2) % SIZE - SIZE / 2, np.float32)


def _rotated(x: Array, y: Array, angle: Array | float) -> tuple[Array, Array]:
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(c * x + s * y, np.float32), np.asarray(c * y - s * x, np.float32)


def _soft(distance: Array) -> Array:
    """Coverage in [0, 1] of a shape from its signed distance in pixels (negative inside)."""
    return np.asarray(np.clip(0.5 - distance, 0, 1), np.float32)


def blend(weight: Array, a: Array, b: Array) -> Array:
    """(F, H, W, 3): colours (3,) mixed by weights (F, H, W) of the second."""
    return np.asarray(a + weight[..., None] * (b - a), np.float32)


def two_colours(rng: np.random.Generator, least_contrast: float) -> tuple[Array, Array]:
    """Two colours (3,) whose brightness differs at least so much."""
    while True:
        a, b = rng.uniform(0.1, 0.9, (2, 3)).astype(np.float32)
        if abs(float(a.mean() - b.mean())) >= least_contrast:
            return a, b


def waves(time: Array, rng: np.random.Generator) -> Array:
    """(F, H, W) about 0.5: slow waves that drift."""
    x, y = _grid()
    drift = rng.uniform(-0.05, 0.05)
    wave = np.zeros((len(time), SIZE, SIZE), np.float32)
    for _ in range(2):
        fx, fy = rng.uniform(-1.2, 1.2, 2) * 2 * np.pi / SIZE
        wave += np.sin(fx * x + fy * y + rng.uniform(0, 2 * np.pi) + drift * time).astype(np.float32)
    return np.asarray(0.5 + 0.25 * wave, np.float32)


def close_colours(rng: np.random.Generator) -> tuple[Array, Array]:
    """Two colours (3,) that a background's waves blend."""
    a = rng.uniform(0.15, 0.85, 3).astype(np.float32)
    return a, np.clip(a + rng.uniform(-0.15, 0.15, 3), 0, 1).astype(np.float32)


def standing_out(brightness: float, rng: np.random.Generator) -> Array:
    """A colour (3,) that stands out from a mean brightness."""
    while True:
        colour = rng.uniform(0, 1, 3).astype(np.float32)
        if abs(float(colour.mean()) - brightness) >= 0.30:
            return colour


def texture(name: str, time: Array, rng: np.random.Generator) -> Array:
    """(F, H, W) in [0, 1]: a pattern that drifts slowly in a random direction."""
    x, y = _grid()
    vx, vy = rng.uniform(-0.4, 0.4, 2)
    x, y = x - vx * time, y - vy * time
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


def object_cover(name: str, time: Array, rng: np.random.Generator) -> Array:
    """(F, H, W): a whole shape at a random place, size and angle, drifting slowly."""
    x, y = _grid()
    cx, cy = rng.uniform(0.3 * SIZE, 0.7 * SIZE, 2)
    vx, vy = rng.uniform(-0.25, 0.25, 2)
    t = time - len(time) / 2
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


def dumbbell_cover(name: str, speed: str, time: Array, rng: np.random.Generator) -> Array:
    """(F, H, W): a bar with one large and one small end, moving as the class says.

    The start (place and angle) is uniform, so that only a change over time tells the class.
    """
    angle: Array | float = rng.uniform(0, 2 * np.pi)
    cx, cy = rng.uniform(0, SIZE, 2)
    if name in ("clockwise", "counterclockwise"):
        turn = np.deg2rad(rng.uniform(*ROTATION[speed]))
        angle = angle + (turn if name == "clockwise" else -turn) * time  # y points down
    else:
        sx, sy = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}[name]
        step = rng.uniform(*TRANSLATION[speed])
        cx, cy = cx + sx * step * time, cy + sy * step * time
    x, y = _grid()
    x, y = _rotated(_around(x, cx), _around(y, cy), angle)
    arm, large = rng.uniform(10, 14), rng.uniform(6, 8)
    bar = np.maximum(np.abs(x) - np.float32(arm), np.abs(y) - np.float32(1.5))
    return _soft(np.minimum(np.minimum(_disc(x - arm, y, large), _disc(x + arm, y, large / 2)), bar))


def blob_cover(time: Array, rng: np.random.Generator) -> Array:
    """(F, H, W): something blurred that drifts slowly, as large as an object, without a shape."""
    x, y = _grid()
    cx, cy = rng.uniform(0.3 * SIZE, 0.7 * SIZE, 2)
    vx, vy = rng.uniform(-0.25, 0.25, 2)
    t = time - len(time) / 2
    squares = (x - np.asarray(cx + vx * t, np.float32)) ** 2 + (y - np.asarray(cy + vy * t, np.float32)) ** 2
    width = np.float32(rng.uniform(7, 10))
    return np.asarray(np.float32(rng.uniform(0.5, 0.9)) * np.exp(-squares / (2 * width**2)), np.float32)


def faint_waves(time: Array, rng: np.random.Generator) -> Array:
    """(F, H, W): waves as long as those of textures, from four sides at once and of little contrast."""
    x, y = _grid()
    wave = np.zeros((len(time), SIZE, SIZE), np.float32)
    for _ in range(4):
        angle, k = rng.uniform(0, 2 * np.pi), 2 * np.pi / rng.uniform(10, 18)
        phase = np.asarray(rng.uniform(0, 2 * np.pi) + k * rng.uniform(-0.4, 0.4) * time, np.float32)
        wave += np.sin(np.float32(k * np.cos(angle)) * x + np.float32(k * np.sin(angle)) * y + phase)
    return np.asarray(0.15 + np.float32(rng.uniform(0.03, 0.06)) * wave, np.float32)
