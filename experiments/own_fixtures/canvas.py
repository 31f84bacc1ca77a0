"""What both drawing styles share: coordinates about an object, backgrounds wider than the frame, light, noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.experiments.own_fixtures.tracks import TORUS, Array, Track

Frames = NDArray[np.uint8]


def around(track: Track, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Every pixel as the object sees it: (F, H, W) x and y in its radii, turned with it.

    Args:
        track: of the object.
        shape: (height, width) in pixels.
    """
    height, width = shape
    short = min(shape)
    x = (np.arange(width, dtype=np.float32) + 0.5) / width
    y = (np.arange(height, dtype=np.float32) + 0.5) / height
    dx = ((x[None, :] - track.x[:, None] + 0.7 * TORUS) % TORUS - TORUS / 2) * (width / short)
    dy = ((y[None, :] - track.y[:, None] + 0.7 * TORUS) % TORUS - TORUS / 2) * (height / short)
    c, s = (np.asarray(f(track.angle) / track.size, np.float32)[:, None, None] for f in (np.cos, np.sin))
    dx, dy = dx[:, None, :].astype(np.float32), dy[:, :, None].astype(np.float32)
    return np.asarray(c * dx + s * dy, np.float32), np.asarray(c * dy - s * dx, np.float32)


def cover(distance: Array, track: Track, shape: tuple[int, int]) -> Array:
    """How far an object covers each pixel, (F, H, W) in [0, 1], from signed distances in its radii (below 0 inside)."""
    pixels = (track.size * min(shape))[:, None, None]
    return np.asarray(np.clip(0.5 - distance * pixels, 0, 1) * track.presence[:, None, None], np.float32)


def blend(picture: Array, weight: Array, colour: Array) -> None:
    """Paints a colour, (3,) or (F, H, W, 3), over (F, H, W, 3) pictures, in place, by weights (F, H, W)."""
    picture += weight[..., None] * (colour - picture)


def natural(shape: tuple[int, int], power: float, rng: np.random.Generator) -> Array:
    """Noise (H, W) whose amplitudes fall with the frequency as 1/f**power, as photographs' do; mean 0, deviation 1."""
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    frequency = np.maximum(np.hypot(fx, fy), 1 / max(shape))
    waves = (rng.normal(size=frequency.shape) + 1j * rng.normal(size=frequency.shape)) / frequency**power
    noise = np.fft.irfft2(waves, shape)
    return np.asarray((noise - noise.mean()) / (noise.std() + 1e-6), np.float32)


def moved(scene: Array, shape: tuple[int, int], offsets: Array) -> Array:
    """Frames (F, H, W, C) of a scene (H', W', C) that comes round, seen from offsets (F, 2) in frames' sides."""
    height, width = shape
    rows = (np.arange(height) + np.rint(offsets[:, 1:] * height).astype(int)) % scene.shape[0]
    columns = (np.arange(width) + np.rint(offsets[:, :1] * width).astype(int)) % scene.shape[1]
    return np.asarray(scene[rows[:, :, None], columns[:, None, :]])


def developed(picture: Array, rate: float, rng: np.random.Generator) -> Frames:
    """Pictures (F, H, W, 3) in [0, 1] as uint8 under light that changes, with a sensor's noise."""
    frames, height, width, _ = picture.shape
    seconds = np.arange(frames, dtype=np.float32) / rate
    wave = np.sin(2 * np.pi * (rng.uniform(0.1, 0.8) * seconds + rng.uniform(0, 1)))
    gain = rng.uniform(0.7, 1.15) * (1 + rng.uniform(0, 0.25) * wave)
    if rng.random() < 0.2:  # a lamp is switched
        gain = gain * np.where(seconds > rng.uniform(0.2, 0.8) * seconds[-1], rng.uniform(0.65, 1.4), 1)
    slope = rng.uniform(-0.2, 0.2, 2)
    shade = 1 + slope[0] * np.linspace(-1, 1, width) + slope[1] * np.linspace(-1, 1, height)[:, None]
    lit = picture * (gain.astype(np.float32)[:, None, None] * shade.astype(np.float32))[..., None]
    lit += rng.normal(0, rng.uniform(0.01, 0.05), lit.shape[:-1]).astype(np.float32)[..., None]
    return np.asarray(np.clip(255 * lit, 0, 255), np.uint8)
