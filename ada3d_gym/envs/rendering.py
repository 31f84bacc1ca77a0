"""The contact sheet (the paper's Fig. 4): a clip, what was kept of it, and what came of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from ada3d_gym.bandit import ClipBandit, Outcome
from ada3d_gym.outcomes.storage import TableError

FRAME = 96  # side of a frame on the sheet, in pixels
GAP = 6
TEXT = 18  # height of a line
PAPER, INK, PALE = (255, 255, 255), (25, 25, 25), (170, 170, 170)
RIGHT, WRONG, ON = (20, 130, 60), (190, 40, 40), (45, 105, 180)

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Masks = tuple[NDArray[np.bool_], NDArray[np.bool_]]


def contact_sheet(
    bandit: ClipBandit, clip: int, masks: Masks | None = None, outcome: Outcome | None = None
) -> NDArray[np.uint8]:
    """One clip as a picture (H, W, 3) uint8.

    Args:
        bandit: whose clip it is.
        clip: its id.
        masks: u (T,) and v (K,) bool; dropped frames are black. None shows the whole clip.
        outcome: of pulling this one clip under the masks; its label, prediction and rewards are written down.
    """
    source = bandit.source
    u, v = masks or (np.ones(bandit.num_frames, np.bool_), None)
    title, paid, used, colour = ", ".join(source.class_names[each] for each in source.record(clip).labels), "", "", INK
    if outcome is not None:
        title += f": {_said(outcome, source.class_names)}"
        colour = RIGHT if outcome.correct[0] else WRONG
        paid = f"reward {outcome.reward_frames[0]:+.2f} frames {outcome.reward_stages[0]:+.2f} stages"
        used = f"{outcome.frames[0]} frames, {outcome.stages[0]} stages, {outcome.macs[0] / 1e6:.1f} MMACs"
    stages = None if v is None else dict(zip(bandit.classifier.stage_names, v.tolist(), strict=True))
    return draw_sheet(source.full_size(clip), u, title, colour=colour, note=paid, stages=stages, used=used)


def draw_sheet(
    frames: NDArray[np.uint8],
    u: NDArray[np.bool_],
    title: str,
    *,
    colour: Colour = INK,
    note: str = "",
    stages: Mapping[str, bool] | None = None,
    used: str = "",
) -> NDArray[np.uint8]:
    """Frames in a row, with a line above and one below, as a picture (H, W, 3) uint8.

    Args:
        frames: (T, H, W, 3) uint8.
        u: which of them were kept, (T,) bool; the others are black.
        title: above, on the left.
        colour: of the title.
        note: above, on the right.
        stages: below, on the left: each 3D stage, and whether it was on.
        used: below, on the right.
    """
    width = GAP + len(frames) * (FRAME + GAP)
    sheet = Image.new("RGB", (width, 3 * GAP + FRAME + 2 * TEXT + GAP), PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    pen.text((GAP, GAP), title, colour, font)
    pen.text((width - GAP, GAP), note, INK, font, anchor="ra")
    top = 2 * GAP + TEXT
    for t, frame in enumerate(frames):
        left = GAP + t * (FRAME + GAP)
        if u[t]:
            sheet.paste(ImageOps.fit(Image.fromarray(frame), (FRAME, FRAME)), (left, top))
        else:
            pen.rectangle((left, top, left + FRAME - 1, top + FRAME - 1), (0, 0, 0))
    below = top + FRAME + GAP
    if stages is not None:
        draw_stages(pen, font, below, stages)
    pen.text((width - GAP, below), used, INK, font, anchor="ra")
    return np.asarray(sheet)


def _said(outcome: Outcome, class_names: Sequence[str]) -> str:
    """What the classifier said, or as much of it as an outcome table knows."""
    if outcome.no_frames[0]:
        return "predicted nothing (no frame kept), 0% sure"
    try:
        return f"predicted {class_names[outcome.prediction[0]]}, {outcome.confidence[0]:.0%} sure"
    except TableError:
        return "predicted rightly" if outcome.correct[0] else "predicted wrongly"


def draw_stages(pen: ImageDraw.ImageDraw, font: Font, top: int, stages: Mapping[str, bool]) -> None:
    """A box for each 3D stage, filled where it is on."""
    left = GAP
    pen.text((left, top), "3D:", INK, font)
    left += 30
    for name, on in stages.items():
        box = (left, top, left + 52, top + TEXT)
        pen.rectangle(box, fill=ON if on else None, outline=ON if on else PALE)
        pen.text((left + 26, top + TEXT / 2), name, PAPER if on else PALE, font, anchor="mm")
        left += 58


def stack_sheets(sheets: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Sheets of one width, one below the other."""
    return np.concatenate(list(sheets))


class Window:
    """A window that shows pictures one after another (pygame, as in Gymnasium's own environments)."""

    def __init__(self, title: str):
        try:
            import pygame
        except ImportError as error:
            raise gym.error.DependencyNotInstalled(
                "render_mode='human' needs pygame: pip install 'ada3d-gym[human]'; render_mode='rgb_array' does not"
            ) from error
        self._pygame = pygame
        pygame.display.init()
        pygame.display.set_caption(title)

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Shows a picture (H, W, 3) and lets the window answer the desktop."""
        size = picture.shape[1], picture.shape[0]
        screen = self._pygame.display.get_surface()
        if screen is None or screen.get_size() != size:
            screen = self._pygame.display.set_mode(size)
        self._pygame.surfarray.blit_array(screen, picture.swapaxes(0, 1))
        self._pygame.event.pump()
        self._pygame.display.flip()

    def close(self) -> None:
        self._pygame.display.quit()
