"""MotionShapes is what it claims: what tells a class, where, and when."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ada3d_gym.video.motionshapes.drawing import (
    CLASSES,
    FAMILIES,
    FRAMES,
    MOTIONS,
    OBJECTS,
    SCENES,
    Drawing,
    draw,
)
from ada3d_gym.video.motionshapes.pieces import ROTATION, SIZE, TRANSLATION

SEEDS = range(5)


def drawing(name: str, seed: int) -> Drawing:
    return draw(CLASSES.index(name), np.random.default_rng(seed))


def test_there_are_twelve_or_more_classes_in_three_families():
    assert len(set(CLASSES)) == len(CLASSES) == len(FAMILIES) >= 12
    assert dict(zip(CLASSES, FAMILIES, strict=True)) == (
        dict.fromkeys(SCENES, "scene") | dict.fromkeys(OBJECTS, "object") | dict.fromkeys(MOTIONS, "motion")
    )


@pytest.mark.parametrize("name", CLASSES)
def test_the_generator_decides_every_pixel(name: str):
    one, same, other = drawing(name, 1), drawing(name, 1), drawing(name, 2)
    assert one.frames.shape == (FRAMES, SIZE, SIZE, 3)
    assert one.frames.dtype == np.uint8
    assert np.array_equal(one.frames, same.frames)
    assert not np.array_equal(one.frames, other.frames)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_frame_tells_scenes_apart_and_every_frame_does(seed: int):
    videos = [drawing(name, seed) for name in SCENES]
    assert {video.visible for video in videos} == {(0, FRAMES)}
    for i, one in enumerate(videos):
        for other in videos[:i]:
            assert (one.frames != other.frames).any((1, 2, 3)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_an_object_makes_a_difference_inside_its_window_only(seed: int):
    videos = [drawing(name, seed) for name in OBJECTS]
    (window,) = {video.visible for video in videos}
    shown = np.zeros(FRAMES, np.bool_)
    shown[slice(*window)] = True
    for i, one in enumerate(videos):
        for other in videos[:i]:
            assert (one.frames != other.frames).any((1, 2, 3)).tolist() == shown.tolist()


def test_an_object_is_shown_in_any_eighth_of_the_video():
    windows = {drawing("disc", seed).visible for seed in range(100)}
    assert windows == {(first, first + FRAMES // 8) for first in range(0, FRAMES, FRAMES // 8)}


@pytest.mark.parametrize("name", CLASSES)
def test_half_of_the_motions_are_slow_and_half_fast_and_nothing_else_has_a_speed(name: str):
    speeds = [drawing(name, seed).speed for seed in range(60 if name in MOTIONS else 12)]
    if name in MOTIONS:
        assert set(speeds) == {"slow", "fast"}
        assert 20 <= speeds.count("slow") <= 40
    else:
        assert set(speeds) == {""}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_start_of_all_motions_shows_the_same_first_frame(seed: int):
    """So a first frame's distribution is the same for all of them, and on a torus that of every other frame too."""
    first, *others = [drawing(name, seed) for name in MOTIONS]
    assert first.visible == (0, FRAMES)
    for other in others:
        assert np.array_equal(first.frames[0], other.frames[0])
        assert (first.frames[1:] != other.frames[1:]).any((1, 2, 3)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_opposite_translations_are_each_other_backwards(seed: int):
    covers = motion_covers(seed)
    shifts = {name: displacement(covers[name][16], covers[name][22]) for name in ("left", "right", "up", "down")}
    speed = shifts["right"][0]
    slowest, fastest = TRANSLATION[drawing("right", seed).speed]
    assert 6 * slowest - 1 <= speed <= 6 * fastest + 1
    for name, (x, y) in {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}.items():
        assert shifts[name] == pytest.approx((x * speed, y * speed), abs=1)


def test_a_fast_motion_looks_reversed_between_every_second_frame_of_a_clip():
    """As far one way as the other round the torus, give or take: only neighbours of a clip of 8 tell its direction."""
    step = 4  # between neighbours in a clip of 8
    slowest, fastest = TRANSLATION["fast"]
    assert fastest * step < SIZE / 2 < fastest * 2 * step
    assert slowest * 2 * step == pytest.approx(SIZE / 2, abs=4)


@pytest.mark.parametrize("seed", SEEDS)
def test_opposite_rotations_are_each_other_backwards(seed: int):
    covers = motion_covers(seed)
    turns = {name: turn(covers[name][12:]) for name in ("clockwise", "counterclockwise")}
    assert turns["clockwise"] == pytest.approx(-turns["counterclockwise"], rel=0.5)
    assert turns["clockwise"] > np.deg2rad(ROTATION[drawing("clockwise", seed).speed][0]) / 2


def motion_covers(seed: int) -> dict[str, NDArray[np.bool_]]:
    """Where (F, H, W) each motion class draws, from one generator: the rest of the pixels is the same for all."""
    videos = np.stack([drawing(name, seed).frames.mean(-1) for name in MOTIONS])
    dark, bright, middle = videos.min(0), videos.max(0), np.median(videos, 0)
    background = dark if (bright - middle).sum() > (middle - dark).sum() else bright
    return dict(zip(MOTIONS, np.abs(videos - background) > 25, strict=True))


def displacement(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[int, int]:
    """How far (x, y) a shape went on the torus, y pointing down: where the two correlate best."""
    product = np.fft.fft2(after) * np.fft.fft2(before).conj()
    y, x = np.unravel_index(np.fft.ifft2(product).real.argmax(), before.shape)
    return int((x + SIZE // 2) % SIZE - SIZE // 2), int((y + SIZE // 2) % SIZE - SIZE // 2)


def turn(covers: NDArray[np.bool_]) -> float:
    """Mean angle in a frame by which the path of a shape's centre of mass bends, clockwise positive."""
    around = np.exp(2j * np.pi * np.arange(SIZE) / SIZE)
    x = np.unwrap(np.angle(covers.sum(1) @ around))
    y = np.unwrap(np.angle(covers.sum(2) @ around))
    steps = (x[4:] - x[:-4]) + 1j * (y[4:] - y[:-4])
    return float(np.angle(steps[1:] / steps[:-1]).mean())
