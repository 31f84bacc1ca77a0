"""Pictures that are shown one after another, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ada3d_gym.files import replacing

COLOURS = 64  # of a picture's palette: few make small files


def write_gif(output: Path, pictures: Sequence[Image.Image], milliseconds: Sequence[int]) -> None:
    """Writes pictures of one size as a GIF that starts over at its end.

    Args:
        output: the file.
        pictures: in order.
        milliseconds: that each is shown.
    """
    first, *others = [each.quantize(COLOURS, method=Image.Quantize.FASTOCTREE) for each in pictures]
    with replacing(output) as part:
        first.save(part, "GIF", save_all=True, append_images=others, duration=list(milliseconds), loop=0, disposal=1)
