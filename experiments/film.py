"""A film of a policy that learns: masks of some test clips after each epoch, and what all test clips earn.

    ada3d film --output docs/images/learning.gif

Learns from an outcome table, so that no 3D network runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.devices import checked_device
from ada3d_gym.envs.rendering import GAP, INK, ON, PALE, PAPER, TEXT, contact_sheet, stack_sheets
from ada3d_gym.errors import InputError
from ada3d_gym.evaluation import evaluate
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.folders import check_output
from ada3d_gym.experiments.moving_pictures import write_gif
from ada3d_gym.experiments.runs import compose
from ada3d_gym.masks import split_mask
from ada3d_gym.protocols import ClipAnswers
from ada3d_gym.video.clips import VideoClips

CURVE = 110  # height of the curve, in pixels
SCALE = 0.6  # of a contact sheet
SHOWN, HELD = 350, 3000  # milliseconds of a picture, and of the last one


def film(
    env: str = "Ada3D-MotionShapes-v1",
    output: Path = Path("learning.gif"),
    epochs: int = 24,
    videos: int = 560,
    clips: int = 6,
    tested: int | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> None:
    """Films REINFORCE's first stage.

    Args:
        env: id with an outcome table of its training and test clips.
        output: the GIF.
        epochs: pictures after the first.
        videos: of an epoch.
        clips: test clips in the picture, of different classes.
        tested: test videos that the curve is of; all by default.
        seed: of everything random.
        device: where the selection network runs.
    """
    for option, value in (("epochs", epochs), ("clips", clips)):
        if value < 1:
            raise InputError(f"{option}={value}: expected at least 1")
    checked_device(device)
    check_output(output, "--output")
    run_ = compose(
        env,
        "reinforce",
        seed,
        options={"epochs": epochs, "joint_epochs": 0},
        environment={"videos": videos, "outcomes": "table"},
    )
    agent = run_.make_agent(run_.bandit("train", device), device)
    bandit = build_bandit(**run_.settings | {"videos": tested}, split="test", gamma=run_.gamma, device=device)
    known = bandit.classifier
    if not isinstance(known, ClipAnswers):
        raise InputError(f"{env}: expected an id with an outcome table of its test clips")
    ids, best = _different(bandit, clips), float(known.best(_all(bandit), bandit.reward).mean())
    if len(ids) < clips:
        raise InputError(f"clips={clips}: expected 1 to {len(ids)}, one of each class of the test videos")
    rewards: list[float] = []
    pictures: list[Image.Image] = []

    def shoot(epoch: int, figures: dict[str, float]) -> None:
        rewards.append(evaluate(bandit, agent.act).reward)
        pictures.append(_picture(bandit, ids, agent.act(bandit.observer(ids)), rewards, best, epochs))
        print(f"{epoch} of {epochs}: the test clips earn {rewards[-1]:.2f}", flush=True)

    shoot(0, {})
    agent.learn(epochs, shoot)
    write_gif(output, pictures, [SHOWN] * epochs + [HELD])


def _all(bandit: ClipBandit) -> NDArray[np.int64]:
    return np.arange(len(bandit.source), dtype=np.int64)


def _different(bandit: ClipBandit, count: int) -> NDArray[np.int64]:
    """Clips of different classes, the families of classes in turn."""
    first: dict[int, int] = {}
    for clip in _all(bandit)[:: bandit.source.views].tolist():
        first.setdefault(int(bandit.source.labels(np.array([clip]))[0]), clip)
    ids = np.array(list(first.values()), np.int64)
    assert isinstance(bandit.source, VideoClips)
    families: dict[str, list[int]] = {}
    for clip, family in zip(ids.tolist(), bandit.source.families(ids), strict=True):
        families.setdefault(family, []).append(clip)
    longest = max(map(len, families.values()))
    turns = [group[place] for place in range(longest) for group in families.values() if place < len(group)]
    return np.array(turns[:count], np.int64)


def _picture(
    bandit: ClipBandit, ids: NDArray[np.int64], masks: NDArray[Any], rewards: list[float], best: float, epochs: int
) -> Image.Image:
    """Sheets of the clips in two columns, and the curve so far."""
    u, v = split_mask(masks, bandit.num_frames, bandit.num_stages)
    sheets = []
    for row, clip in enumerate(ids.tolist()):
        outcome = bandit.pull(ids[row : row + 1], u[row : row + 1], v[row : row + 1])
        sheets.append(contact_sheet(bandit, clip, (u[row], v[row]), outcome))
    half = -(-len(sheets) // 2)
    columns = [stack_sheets(sheets[:half]), stack_sheets(sheets[half:])]
    room = columns[0].shape[0] - columns[1].shape[0]  # of an odd number of clips
    columns[1] = np.pad(columns[1], ((0, room), (0, 0), (0, 0)), constant_values=255)
    whole = Image.fromarray(np.concatenate(columns, 1))
    whole = whole.resize((round(SCALE * whole.width), round(SCALE * whole.height)), Image.Resampling.LANCZOS)
    picture = Image.new("RGB", (whole.width, whole.height + CURVE), PAPER)
    picture.paste(whole, (0, CURVE))
    _draw_curve(ImageDraw.Draw(picture), picture.width, rewards, best, epochs)
    return picture


def _draw_curve(pen: ImageDraw.ImageDraw, width: int, rewards: list[float], best: float, epochs: int) -> None:
    """Mean reward of the test clips by epoch, up to the best that any policy can earn."""
    font = ImageFont.load_default(13)
    left, right, top, bottom = 60, width - 220, 2 * GAP, CURVE - 2 * GAP
    low = min(0.0, *rewards)

    def at(epoch: float, reward: float) -> tuple[float, float]:
        return left + (right - left) * epoch / epochs, bottom - (bottom - top) * (reward - low) / (best - low)

    pen.line([at(0, best), at(epochs, best)], PALE)
    pen.text((right + GAP, top), f"best mask of each clip {best:.2f}", PALE, font, anchor="lm")
    points = [at(epoch, reward) for epoch, reward in enumerate(rewards)]
    if len(points) > 1:
        pen.line(points, ON, 2)
    x, y = points[-1]
    pen.ellipse((x - 3, y - 3, x + 3, y + 3), ON)
    pen.text((x + 8, y if y > top + TEXT else top + TEXT), f"{rewards[-1]:.2f}", INK, font, anchor="lm")
    pen.text((GAP, top), "reward", INK, font, anchor="lm")


if __name__ == "__main__":
    run(film)
