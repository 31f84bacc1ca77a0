"""Some of the classes of MotionShapes, as a data set of their own: two halves have no class in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ada3d_gym.errors import InputError, did_you_mean
from ada3d_gym.video.motionshapes.drawing import CLASSES
from ada3d_gym.video.records import VideoRecord

_A = ("stripes", "dots", "disc", "triangle", "left", "up", "clockwise")
HALVES: dict[str, tuple[str, ...]] = {"a": _A, "b": tuple(name for name in CLASSES if name not in _A)}
"""Each has two scenes, two objects and three motions."""

Classes = str | Sequence[str]
"""A half's name, names with commas between them, or several names."""


def chosen_classes(classes: Classes) -> tuple[str, ...]:
    """Names of classes, in the order of `CLASSES`.

    Raises:
        InputError: naming those that there are not, and for fewer than two.
    """
    names = classes.split(",") if isinstance(classes, str) else classes
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise InputError(f"classes={classes!r}: expected names of classes, 'a' or 'b'")
    names = [name.strip() for name in names]
    named = {each for name in names for each in HALVES.get(name, (name,))}
    if unknown := sorted(named - set(CLASSES)):
        expected = f"expected 'a' or 'b', or some of {', '.join(CLASSES)}{did_you_mean(unknown, CLASSES)}"
        raise InputError(f"unknown class of MotionShapes: {', '.join(map(repr, unknown))}; {expected}")
    if len(named) < 2:
        raise InputError(f"classes={classes!r}: expected at least two")
    return tuple(name for name in CLASSES if name in named)


def videos_needed(names: Sequence[str], videos: int) -> int:
    """How many videos of a split, whose classes come in turn, hold the first `videos` of these classes."""
    rounds, rest = divmod(videos, len(names))
    return rounds * len(CLASSES) + (CLASSES.index(names[rest - 1]) + 1 if rest else 0)


def of_classes(records: Sequence[VideoRecord], names: Sequence[str]) -> list[VideoRecord]:
    """The videos of these classes, their labels counted among them."""
    labels = {CLASSES.index(name): number for number, name in enumerate(names)}
    return [replace(each, labels=(labels[each.labels[0]],)) for each in records if each.labels[0] in labels]
