"""A long video as a strip of the frames of its memory, and where was looked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ada3d_gym.envs.rendering import GAP, INK, ON, PALE, PAPER, RIGHT, TEXT, WRONG
from ada3d_gym.untrimmed.core import Episodes, LookingCore
from ada3d_gym.untrimmed.protocols import FileLooks

SIDE = 64  # of a frame, in pixels


def strip(core: LookingCore, episodes: Episodes, row: int) -> NDArray[np.uint8]:
    """One of the episodes as a picture (H, W, 3) uint8.

    Above, its label and what is predicted so far; then the memory's frames; below them, the places on a line from the
    first clip to the last, with the numbers of the looks at those that were looked at.
    """
    looks, one = core.looks, episodes.take(np.array([row]))
    count = looks.memory_shape[0]
    width = GAP + count * (SIDE + GAP)
    picture = Image.new("RGB", (width, 4 * GAP + SIDE + 3 * TEXT), PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(13)

    said, colour = looks.class_names[looks.labels(one.videos)[0]], INK
    if one.counts[0]:
        best = int(one.scores[0].argmax())
        said += f": predicted {looks.class_names[best]}, {one.scores[0, best]:.0%} sure"
        colour = RIGHT if core.correct(one)[0] else WRONG
    pen.text((GAP, GAP), said, colour, font)
    used = f"{one.counts[0]} of {core.steps} looks, {one.macs[0] / 1e6:,.1f} MMACs"
    pen.text((width - GAP, GAP), used, INK, font, anchor="ra")

    top = 2 * GAP + TEXT
    if isinstance(looks, FileLooks):
        for number, frame in enumerate(looks.pictures(int(one.videos[0]))):
            small = Image.fromarray(frame).resize((SIDE, SIDE))
            picture.paste(small, (GAP + number * (SIDE + GAP), top))

    line = top + SIDE + GAP + TEXT // 2
    left, right = GAP + SIDE // 2, width - GAP - SIDE // 2
    pen.line((left, line, right, line), PALE)
    order: dict[int, list[str]] = {}
    for number, place in enumerate(one.places[0, : one.counts[0]].tolist(), start=1):
        order.setdefault(place, []).append(str(number))
    for place in range(looks.places):
        x = left + (right - left) * place / max(1, looks.places - 1)
        radius = 5 if place in order else 2
        pen.ellipse((x - radius, line - radius, x + radius, line + radius), ON if place in order else PALE)
        pen.text((x, line + GAP), ", ".join(order.get(place, [])), INK, font, anchor="ma")
    return np.asarray(picture)
