"""Clips that are drawn while they are trained on: one object before a cluttered background, with three labels.

They are to teach a small network what any video is made of (edges, patterns, shapes, motions), before it sees the few
videos of somebody's own. No two clips are alike, so nothing can be learned by heart.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

SHAPES = ("disc", "ellipse", "triangle", "square", "star", "flower", "blob", "ring", "bar", "crescent")
PATTERNS = ("plain", "stripes", "squares", "dots", "halves", "rings")
MOTIONS = (
    *("still", "left", "right", "up", "down", "grows", "shrinks", "clockwise", "counterclockwise"),
    *("sways", "bobs", "circles", "circles back", "pulses", "blinks", "wanders"),
)
SHAPE, PATTERN, MOTION = (names.index for names in (SHAPES, PATTERNS, MOTIONS))


class Drawn(NamedTuple):
    """Clips (B, T, 3, size, size) uint8 and labels (B, 3) int64: shape, pattern, motion."""

    clips: Tensor
    labels: Tensor


class _Draws:
    """Random numbers for each of a batch's clips, shaped to be broadcast over (B, T, H, W)."""

    def __init__(self, batch: int, generator: torch.Generator):
        self.batch, self.generator = batch, generator

    def uniform(self, low: float = 0.0, high: float = 1.0, *shape: int) -> Tensor:
        """(B, 1, 1, 1), or (B, …) where a shape is given."""
        drawn = torch.rand(self.batch, *(shape or (1, 1, 1)), generator=self.generator)
        return low + (high - low) * drawn

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(self.batch, *shape, generator=self.generator)

    def whole(self, count: int) -> Tensor:
        """(B,) int64 below `count`."""
        return torch.randint(count, (self.batch,), generator=self.generator)


def draw_clips(batch: int, frames: int, size: int, generator: torch.Generator, hardness: float = 1.0) -> Drawn:
    """Draws clips.

    Args:
        batch: B, how many.
        frames: T of each.
        size: of their square frames, in pixels.
        generator: of everything random, on the CPU.
        hardness: 0 to 1: of large objects before a plain background, to begin with, up to small ones in clutter.
    """
    draws = _Draws(batch, generator)
    labels = torch.stack([draws.whole(len(names)) for names in (SHAPES, PATTERNS, MOTIONS)], 1)
    video = _background(draws, frames, size, hardness)
    others = _Draws(batch // 2, generator)  # half of the clips have a second object that means nothing
    kinds = others.whole(len(SHAPES)), torch.zeros(others.batch, dtype=torch.int64), others.whole(len(MOTIONS))
    if hardness > 0.5:
        _paint(video[: batch // 2], _object(others, kinds, frames, size, others.uniform(0.06, 0.15), plain=True))
    _paint(video, _object(draws, labels.unbind(1), frames, size, draws.uniform(0.14, 0.32) + 0.14 * (1 - hardness)))
    return Drawn(_recorded(draws, video, hardness), labels)


def _paint(video: Tensor, drawn: tuple[Tensor, Tensor]) -> None:
    """Puts an object's colours (B, T, 3, H, W) where it covers (B, T, H, W) a video, in place."""
    cover, colour = drawn
    video += cover[:, :, None] * (colour - video)


def _coordinates(size: int) -> tuple[Tensor, Tensor]:
    """Of pixels, x and y (size, size), across 0 to 1."""
    line = (torch.arange(size) + 0.5) / size
    return line.expand(size, size), line[:, None].expand(size, size)


def _background(draws: _Draws, frames: int, size: int, hardness: float) -> Tensor:
    """(B, T, 3, size, size): noise of several scales, under a camera that drifts and trembles."""
    canvas = torch.zeros(draws.batch, 3, 2 * size, 2 * size)
    for cells in (3, 6, 12, 24, 48):
        noise = draws.normal(3, cells, cells) * draws.uniform(0.0, hardness * 0.16 * (3 / cells) ** 0.3)
        canvas += F.interpolate(noise, 2 * size, mode="bilinear", align_corners=False)
    grey = draws.uniform() < 0.3
    canvas = torch.where(grey, canvas.mean(1, keepdim=True), canvas)
    canvas = canvas + draws.uniform(0.2, 0.8, 3, 1, 1)
    time = torch.linspace(-0.5, 0.5, frames)[:, None]
    pan = draws.normal(1, 2) * (draws.uniform(0, 1, 1, 1) < 0.6) * hardness * 0.25 * size
    tremble = draws.normal(frames, 2) * draws.uniform(0, 1, 1, 1) * 0.012 * size
    offset = (size / 2 + pan * time + tremble).round().clamp(0, size).long()  # (B, T, 2)
    line = torch.arange(size)
    rows, columns = (offset[..., axis, None] + line for axis in range(2))
    clip = torch.arange(draws.batch)[:, None, None, None]
    picked = canvas.permute(0, 2, 3, 1)[clip, rows[..., :, None], columns[..., None, :]]  # (B, T, size, size, 3)
    return picked.permute(0, 1, 4, 2, 3)


def _object(
    draws: _Draws, kinds: tuple[Tensor, ...], frames: int, size: int, radius: Tensor, plain: bool = False
) -> tuple[Tensor, Tensor]:
    """How much an object covers of each pixel (B, T, size, size), and its colours (B, T, 3, size, size)."""
    shape, pattern, motion = (kind.view(-1, 1, 1, 1) for kind in kinds)
    x, y = _coordinates(size)
    where_x, where_y, scale, angle, shown = _track(draws, motion, frames)
    across = (x - where_x + 0.5) % 1 - 0.5  # what leaves on one side comes back on the other: places tell nothing
    down = (y - where_y + 0.5) % 1 - 0.5
    cos, sin = angle.cos(), angle.sin()
    across, down = (cos * across + sin * down) / (radius * scale), (cos * down - sin * across) / (radius * scale)
    inside = _inside(draws, shape, across, down, softness=2 / (radius * scale * size))
    dark, light = _two_colours(draws)
    if plain:
        return inside * shown, dark
    share = _pattern(draws, pattern, across, down)[:, :, None]
    return inside * shown, dark + share * (light - dark)


def _two_colours(draws: _Draws) -> tuple[Tensor, Tensor]:
    first = draws.uniform(0, 1, 1, 3, 1, 1)
    away = torch.where(first.mean(2, keepdim=True) < 0.5, 1.0, -1.0)
    return first, (first + away * draws.uniform(0.25, 0.8, 1, 3, 1, 1)).clamp(0, 1)


def _track(draws: _Draws, motion: Tensor, frames: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Place x and y, scale, angle and whether it can be seen, each (B, T, 1, 1), of objects with a motion (B, 1, 1, 1).

    Speeds are drawn evenly over their logarithm, since own videos are sampled at any distance between frames.
    """
    time = torch.linspace(-0.5, 0.5, frames).view(1, -1, 1, 1)
    speed = torch.exp(draws.uniform(math.log(0.12), math.log(1.4)))  # widths of the frame in a clip
    turns = torch.exp(draws.uniform(math.log(0.5), math.log(1.2))) * math.pi  # of an angle in a clip
    swings = draws.uniform(1.0, 2.2) * 2 * math.pi
    phase = draws.uniform(0, 2 * math.pi)
    reach = draws.uniform(0.06, 0.2)

    def only(name: str) -> Tensor:
        return (motion == MOTION(name)).float()

    slanted = draws.normal(1, 1, 1) * 0.12 * speed
    forward = only("right") - only("left")
    downward = only("down") - only("up")
    around = only("circles") - only("circles back")
    swing = torch.sin(swings * time + phase)
    x = draws.uniform() + time * (speed * forward + slanted * downward)
    y = draws.uniform() + time * (speed * downward + slanted * forward)
    x = x + reach * (swing * only("sways") + torch.cos(swings * time + phase) * around.abs())
    y = y + reach * (swing * only("bobs") + torch.sin(swings * time + phase) * around)
    steps = draws.normal(2, frames).cumsum(2) * 0.05
    x, y = (place + steps[:, axis, :, None, None] * only("wanders") for axis, place in enumerate((x, y)))
    growth = torch.exp(draws.uniform(math.log(0.4), math.log(1.4)))
    larger = only("grows") - only("shrinks")
    scale = torch.exp(growth * time * larger + 0.35 * swing * only("pulses"))
    angle = draws.uniform(0, 2 * math.pi) + turns * time * (only("clockwise") - only("counterclockwise"))
    part = draws.uniform() < 0.25  # to be seen for a while only
    begin, length = draws.uniform(-0.5, 0.1), draws.uniform(0.3, 0.6)
    seen = ~part | ((time >= begin) & (time <= begin + length))
    lit = only("blinks") == 0
    return x, y, scale, angle, (seen & (lit | (swing > -0.2))).float()


def _inside(draws: _Draws, shape: Tensor, across: Tensor, down: Tensor, softness: Tensor) -> Tensor:
    """How much of each pixel is inside of shapes (B, 1, 1, 1); coordinates are in radii of the object."""
    long = torch.where(shape == SHAPE("ellipse"), 0.55, torch.where(shape == SHAPE("bar"), 0.3, 1.0))
    distance = torch.sqrt(across**2 + (down / long) ** 2)
    turn = torch.atan2(down, across)
    edge = torch.ones_like(distance)
    square = 0.85 / torch.maximum(turn.cos().abs(), turn.sin().abs())
    third = 2 * math.pi / 3
    triangle = 0.55 / torch.cos(turn % third - third / 2).clamp(min=0.4)
    waves = [draws.uniform(0.05, 0.2) * torch.sin(k * turn + draws.uniform(0, 2 * math.pi)) for k in (2, 3, 5)]
    edge = torch.where(shape == SHAPE("square"), square, edge)
    edge = torch.where(shape == SHAPE("triangle"), triangle, edge)
    edge = torch.where(shape == SHAPE("star"), 0.7 + 0.35 * torch.cos(5 * turn), edge)
    edge = torch.where(shape == SHAPE("flower"), 0.85 + 0.2 * torch.cos(8 * turn), edge)
    edge = torch.where(shape == SHAPE("blob"), 0.85 + waves[0] + waves[1] + waves[2], edge)
    inside = ((edge - distance) / softness + 0.5).clamp(0, 1)
    hole = ((0.5 - distance) / softness + 0.5).clamp(0, 1) * (shape == SHAPE("ring"))
    bite = torch.sqrt((across - 0.5) ** 2 + down**2)
    hole = hole + ((0.75 - bite) / softness + 0.5).clamp(0, 1) * (shape == SHAPE("crescent"))
    return inside * (1 - hole)


def _pattern(draws: _Draws, pattern: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Which of two colours, 0 to 1, (B, T, H, W)."""
    often = draws.uniform(4.0, 9.0)
    stripes, other = torch.sin(often * across), torch.sin(often * down)
    values = {
        "stripes": stripes,
        "squares": stripes * other * 3,
        "dots": stripes.abs() * other.abs() * 3 - 1.2,
        "halves": across * 4,
        "rings": torch.sin(often * torch.sqrt(across**2 + down**2)),
    }
    drawn = torch.full_like(across, -1.0)
    for name, value in values.items():
        drawn = torch.where(pattern == PATTERN(name), value, drawn)
    return (3 * drawn + 0.5).clamp(0, 1)


def _recorded(draws: _Draws, video: Tensor, hardness: float) -> Tensor:
    """What a camera makes of it: light, contrast, blur, noise, compression's loss of detail."""
    frames = video.shape[1]
    flicker = draws.normal(frames, 1, 1, 1) * draws.uniform(0, 0.04, 1, 1, 1, 1)
    video = (video - 0.5) * draws.uniform(0.6, 1.2, 1, 1, 1, 1) + 0.5 + flicker
    soft = F.avg_pool2d(video.flatten(0, 1), 3, 1, 1).view_as(video)
    video = torch.lerp(video, soft, draws.uniform(0, 1, 1, 1, 1, 1))
    video = video + torch.randn(video.shape, generator=draws.generator) * draws.uniform(0, 0.06 * hardness, 1, 1, 1, 1)
    grey = draws.uniform(0, 1, 1, 1, 1, 1) < 0.2
    video = torch.where(grey, video.mean(2, keepdim=True), video)
    return (video * 255).round().clamp(0, 255).to(torch.uint8)
