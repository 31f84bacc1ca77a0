"""Predictions to look at: contact sheets, and clips that play."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ada3d_gym.envs.rendering import GAP, INK, PALE, PAPER, TEXT, draw_sheet, draw_stages
from ada3d_gym.errors import InputError
from ada3d_gym.prediction.results import ClipPrediction, Prediction

SIDE = 288  # of a playing frame, in pixels: room for the boxes of five stages below it
PALER = 0.75  # how far a dropped frame is taken towards white
NAME = 48  # letters of a video's path


def sheet(prediction: Prediction, stage_names: tuple[str, ...]) -> NDArray[np.uint8]:
    """The middle one of a video's clips as a contact sheet (H, W, 3) uint8; dropped frames are black.

    Args:
        prediction: with its pixels.
        stage_names: of the network's K stages.

    Raises:
        InputError: for one without pixels or clips.
    """
    clip, frames = _middle(prediction)
    used = f"{sum(clip.frame_mask)} frames, {sum(clip.stage_mask)} stages, {_millions(clip)}"
    stages = dict(zip(stage_names, clip.stage_mask, strict=True))
    kept = np.array(clip.frame_mask)
    return draw_sheet(frames, kept, _title(prediction), note=_when(clip), stages=stages, used=used)


def playing(prediction: Prediction, stage_names: tuple[str, ...]) -> Iterator[Image.Image]:
    """The frames of that clip, larger, with the answer below them; dropped frames are grey and pale.

    Args:
        prediction, stage_names: as in `sheet`.

    Raises:
        InputError: for one without pixels or clips.
    """
    clip, frames = _middle(prediction)
    font = ImageFont.load_default(13)
    stages = dict(zip(stage_names, clip.stage_mask, strict=True))
    width = max(SIDE, 30 + 58 * len(stages)) + 2 * GAP
    for frame, kept in zip(frames, clip.frame_mask, strict=True):
        picture = Image.new("RGB", (width, SIDE + 2 * TEXT + 4 * GAP), PAPER)
        shown = Image.fromarray(frame).resize((SIDE, SIDE))
        if not kept:
            shown = Image.blend(shown.convert("L").convert("RGB"), Image.new("RGB", shown.size, PAPER), PALER)
        picture.paste(shown, ((width - SIDE) // 2, GAP))
        pen = ImageDraw.Draw(picture)
        pen.text((GAP, SIDE + 2 * GAP), _answer(prediction), INK, font)
        pen.text((width - GAP, SIDE + 2 * GAP), "kept" if kept else "dropped", INK if kept else PALE, font, anchor="ra")
        draw_stages(pen, font, SIDE + 3 * GAP + TEXT, stages)
        yield picture


def _middle(prediction: Prediction) -> tuple[ClipPrediction, NDArray[np.uint8]]:
    """The middle clip and its frames (T, H, W, 3)."""
    if prediction.pixels is None or not prediction.clips:
        raise InputError(f"{prediction.video}: no clip to draw; predictions have one with pixels=True")
    row = len(prediction.clips) // 2
    return prediction.clips[row], prediction.pixels[row].transpose(0, 2, 3, 1)


def _title(prediction: Prediction) -> str:
    name = prediction.video
    return f"{name if len(name) <= NAME else '…' + name[1 - NAME :]}: {_answer(prediction)}"


def _answer(prediction: Prediction) -> str:
    if not prediction.answers:
        return "no answer"
    first = prediction.answers[0]
    return f"{first['label']}, {first['score']:.0%} sure"


def _when(clip: ClipPrediction) -> str:
    if clip.seconds is None:
        return f"frames {clip.numbers[0]} to {clip.numbers[-1]}"
    return f"{clip.seconds[0]:.2f} to {clip.seconds[-1]:.2f} s"


def _millions(clip: ClipPrediction) -> str:
    macs = clip.macs + clip.macs_selection
    return f"{macs / 1e9:.1f} GMACs" if macs >= 1e9 else f"{macs / 1e6:.1f} MMACs"
