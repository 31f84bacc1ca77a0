"""Style a: coloured shapes with textures over a cluttered, coloured background."""

from __future__ import annotations

import numpy as np

from ada3d_gym.experiments.own_fixtures.canvas import Frames, around, blend, cover, developed, moved, natural
from ada3d_gym.experiments.own_fixtures.tracks import Array, Track, shake, track

LOOKS = ("striped", "spotted", "hollow", "halved", "starred")
MOTIONS = ("right", "left", "grows", "shrinks", "oscillates")
PART_TIME = ("halved", "starred")
"""Looks that are in the picture for a part of the time alone."""


def draw(look: str | None, way: Track, shape: tuple[int, int], rate: float, rng: np.random.Generator) -> Frames:
    """A video (F, H, W, 3) of one object.

    Args:
        look: one of `LOOKS`; None is a plain shape.
        way: the object's.
        shape: (height, width) in pixels.
        rate: frames a second.
        rng: draws all else.
    """
    jitter = shake(len(way.x), rng)
    picture = _background(len(way.x), shape, rate, jitter, rng)
    for _ in range(rng.integers(3, 7)):
        _clutter(picture, rate, rng)
    shaken = Track(way.x + jitter[:, 0], way.y + jitter[:, 1], way.size, way.angle, way.presence)
    x, y = around(shaken, shape)
    body, ink = _standing_out(picture, rng)
    radius = np.hypot(x, y)
    distance = _outline(look, x, y, radius, rng)
    blend(picture, cover(distance, shaken, shape), body)
    if look is not None and look != "starred":
        marks = _marks(look, x, y, radius, rng)
        blend(picture, cover(np.maximum(distance, marks), shaken, shape), ink)
    return developed(picture, rate, rng)


def _background(frames: int, shape: tuple[int, int], rate: float, jitter: Array, rng: np.random.Generator) -> Array:
    height, width = shape
    wide = (2 * height, 2 * width)
    base = rng.uniform(0.25, 0.75, 3)
    layers = [rng.uniform(-0.12, 0.12, 3) * natural(wide, rng.uniform(0.9, 1.6), rng)[..., None] for _ in range(3)]
    scene = np.clip(base + sum(layers), 0.02, 0.98).astype(np.float32)
    pan = rng.uniform(-0.12, 0.12, 2) * (np.arange(frames) / rate)[:, None]
    return moved(scene, shape, np.asarray(pan - jitter, np.float32))


def _clutter(picture: Array, rate: float, rng: np.random.Generator) -> None:
    """A thing of the background that moves in its own way: a box or an ellipse, smaller and paler than the object."""
    frames, height, width, _ = picture.shape
    motion = str(rng.choice(["drifts", *MOTIONS]))
    way = track(motion, frames, rate, rng)
    way = Track(way.x, way.y, way.size * np.float32(rng.uniform(0.3, 0.6)), way.angle, way.presence)
    x, y = around(way, (height, width))
    stretch = rng.uniform(0.5, 1)
    box = rng.random() < 0.5
    distance = (np.maximum(np.abs(x), np.abs(y) / stretch) if box else np.hypot(x, y / stretch)) - 1
    colour = np.clip(picture.mean((0, 1, 2)) + rng.uniform(-0.3, 0.3, 3), 0, 1).astype(np.float32)
    blend(picture, np.float32(rng.uniform(0.4, 0.9)) * cover(distance, way, (height, width)), colour)


def _standing_out(picture: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Colours (3,) of the object and its marks."""
    mean = float(picture.mean())
    while True:
        body, ink = rng.uniform(0, 1, (2, 3)).astype(np.float32)
        if abs(float(body.mean()) - mean) > 0.18 and abs(float(body.mean() - ink.mean())) > 0.25:
            return body, ink


def _outline(look: str | None, x: Array, y: Array, radius: Array, rng: np.random.Generator) -> Array:
    """Signed distances, in the object's radii, to a lobed blob with a pointed side, of which no two are alike."""
    around_it = np.arctan2(y, x)
    if look == "starred":
        points = int(rng.integers(4, 6))
        return np.asarray(radius - (0.68 + 0.32 * np.cos(points * around_it)), np.float32)
    edge = np.full_like(around_it, 0.85)
    for lobes in (1, 2, 3):
        edge += rng.uniform(0, 0.16) * np.cos(lobes * around_it + rng.uniform(0, 2 * np.pi))
    return np.asarray(radius - edge, np.float32)


def _marks(look: str, x: Array, y: Array, radius: Array, rng: np.random.Generator) -> Array:
    """Signed distances to what is drawn on the object."""
    if look == "striped":
        k = rng.uniform(5, 8)
        return np.asarray(-np.sin(k * x + rng.uniform(0, 6)) / k, np.float32)
    if look == "spotted":
        k = rng.uniform(5, 8)
        dots = np.sin(k * x + rng.uniform(0, 6)) + np.sin(k * y + rng.uniform(0, 6))
        return np.asarray((0.5 - dots) / k, np.float32)
    if look == "hollow":
        return np.asarray(radius - rng.uniform(0.35, 0.5), np.float32)
    return np.asarray(x + rng.uniform(-0.15, 0.15), np.float32)  # halved
