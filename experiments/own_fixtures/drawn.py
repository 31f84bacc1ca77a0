"""Style b: figures of strokes, grey on grey, over noise with a photograph's spectrum."""

from __future__ import annotations

from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.experiments.own_fixtures.canvas import Frames, around, blend, cover, developed, moved, natural
from ada3d_gym.experiments.own_fixtures.tracks import Array, Track, shake, track

LOOKS = ("walker", "beast", "ladder", "spiral", "fork")
MOTIONS = ("clockwise", "counter-clockwise", "down", "up", "swings")
PART_TIME = ("spiral", "fork")
"""Looks that are in the picture for a part of the time alone."""


def draw(look: str | None, way: Track, shape: tuple[int, int], rate: float, rng: np.random.Generator) -> Frames:
    """A video (F, H, W, 3) of one figure.

    Args:
        look: one of `LOOKS`; None is a figure of random strokes.
        way: the figure's.
        shape: (height, width) in pixels.
        rate: frames a second.
        rng: draws all else.
    """
    frames = len(way.x)
    jitter = shake(frames, rng)
    picture = _background(frames, shape, rate, jitter, rng)
    for _ in range(rng.integers(2, 5)):
        _blob(picture, rate, rng)
    shaken = Track(way.x + jitter[:, 0], way.y + jitter[:, 1], way.size * np.float32(1.25), way.angle, way.presence)
    x, y = around(shaken, shape)
    sway = np.sin(2 * np.pi * (rng.uniform(0.4, 1.2) * np.arange(frames) / rate + rng.uniform(0, 1)))
    strokes = _figure(look, sway, rng)
    thick = rng.uniform(0.09, 0.14)
    distance = np.minimum.reduce([_stroke(x, y, start, end) for start, end in strokes]) - np.float32(thick)
    dark = picture.mean() > 0.5
    grey = rng.uniform(0.0, 0.15) if dark else rng.uniform(0.85, 1.0)
    tint = rng.normal(0, 0.02, 3)
    blend(
        picture, np.float32(rng.uniform(0.7, 1)) * cover(distance, shaken, shape), np.asarray(grey + tint, np.float32)
    )
    return developed(picture, rate, rng)


def _background(frames: int, shape: tuple[int, int], rate: float, jitter: Array, rng: np.random.Generator) -> Array:
    height, width = shape
    noise = natural((2 * height, 2 * width), rng.uniform(0.8, 1.5), rng)
    grey = rng.uniform(0.3, 0.7) + rng.uniform(0.06, 0.16) * noise
    scene = np.clip(grey[..., None] * (1 + rng.normal(0, 0.04, 3)), 0.02, 0.98).astype(np.float32)
    pan = rng.uniform(-0.12, 0.12, 2) * (np.arange(frames) / rate)[:, None]
    return moved(scene, shape, np.asarray(pan - jitter, np.float32))


def _blob(picture: Array, rate: float, rng: np.random.Generator) -> None:
    """A grey thing without edges that moves in its own way."""
    frames, height, width, _ = picture.shape
    way = track(str(rng.choice(["drifts", *MOTIONS])), frames, rate, rng)
    way = Track(way.x, way.y, way.size * np.float32(rng.uniform(0.5, 0.9)), way.angle, way.presence)
    x, y = around(way, (height, width))
    weight = np.exp(-2 * (x**2 + (y / rng.uniform(0.4, 1)) ** 2))
    blend(picture, np.float32(rng.uniform(0.3, 0.7)) * weight, np.full(3, rng.uniform(0.1, 0.9), np.float32))


Point = NDArray[np.float32]
"""(2,) or, where it moves, (F, 2), in the figure's radii."""


def _stroke(x: Array, y: Array, start: Point, end: Point) -> Array:
    """Distances (F, H, W) to a straight stroke."""
    (ax, ay), (bx, by) = (
        [np.broadcast_to(point, (len(x), 2))[:, axis, None, None] for axis in range(2)] for point in (start, end)
    )
    ex, ey = bx - ax, by - ay
    along = np.clip(((x - ax) * ex + (y - ay) * ey) / (ex**2 + ey**2 + 1e-6), 0, 1)
    return np.asarray(np.hypot(x - ax - along * ex, y - ay - along * ey), np.float32)


def _figure(look: str | None, sway: NDArray[np.float64], rng: np.random.Generator) -> list[tuple[Point, Point]]:
    """Strokes of a figure; limbs sway, (F,) in -1 to 1."""

    def limb(x: float, y: float, angle: float, length: float, swing: float = 0.35) -> tuple[Point, Point]:
        turned = angle + rng.normal(0, 0.12) + swing * sway
        start = np.array([x, y], np.float32)
        away = np.stack([np.sin(turned), np.cos(turned)], 1) * length * rng.uniform(0.9, 1.1)
        return start, np.asarray(start + away, np.float32)

    def still(*points: tuple[float, float]) -> list[tuple[Point, Point]]:
        nodes = [np.asarray(point + rng.normal(0, 0.04, 2), np.float32) for point in np.array(points)]
        return list(pairwise(nodes))

    if look == "walker":
        legs = [limb(0, 0.2, angle, 0.75, swing) for angle, swing in ((-0.4, 0.35), (0.4, -0.35))]
        arms = [limb(0, -0.45, angle, 0.6, swing) for angle, swing in ((-0.9, -0.4), (0.9, 0.4))]
        return [*still((0, -0.9), (0, 0.2)), *legs, *arms]
    if look == "beast":
        legs = [limb(x, 0, 0, 0.65, swing) for x, swing in ((-0.7, 0.4), (-0.35, -0.4), (0.35, 0.4), (0.7, -0.4))]
        return [*still((-0.75, 0), (0.75, 0), (0.95, -0.5)), *legs]
    if look == "ladder":
        rungs = [still((-0.35, y), (0.35, y)) for y in (-0.6, 0.0, 0.6)]
        return [*still((-0.35, -0.9), (-0.35, 0.9)), *still((0.35, -0.9), (0.35, 0.9)), *chain.from_iterable(rungs)]
    if look == "spiral":
        turns = np.linspace(0, 3.2 * np.pi, 13)
        return still(*((0.9 * t / turns[-1] * np.cos(t), 0.9 * t / turns[-1] * np.sin(t)) for t in turns))
    if look == "fork":
        teeth = [limb(x, -0.1, np.pi, 0.75, 0.12) for x in (-0.5, 0.0, 0.5)]
        return [*still((-0.5, -0.1), (0.5, -0.1)), *still((0, -0.1), (0, 0.9)), *teeth]
    bent = [(0.9 * np.cos(t), 0.9 * np.sin(t)) for t in rng.uniform(0, 2 * np.pi, 2)]
    return [*still((-0.1, 0.8), (0, -0.2), bent[0]), limb(0, -0.2, rng.uniform(0, 6), 0.8), limb(0, 0.5, 1.5, 0.5)]
