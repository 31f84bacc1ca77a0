"""Draws the moving pictures on the pages of docs/environments: episodes as `env.render()` shows them.

python -m experiments.environment_pictures
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image

import ada3d_gym  # noqa: F401 (registers the ids)
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.moving_pictures import write_gif
from ada3d_gym.outcomes.table import load_table
from ada3d_gym.outcomes.values import Game
from ada3d_gym.rewards import MaskReward
from ada3d_gym.shipped import shipped_table
from ada3d_gym.video.motionshapes.drawing import FAMILIES

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDTH = 822  # of a picture in pixels, that of a contact sheet
SHOWN = 1500  # milliseconds of a picture
DRAWN = 28  # videos to choose from, two of each class
CLIPS, VIDEOS = 6, 3  # of different classes, as many of textures, shapes and motions
PLACES = (0.2, 0.5, 0.8)  # where the looks are
SHOWING: Any = {"split": "test", "videos": DRAWN, "render_mode": "rgb_array", "label_at_reset": True}


def environment_pictures(folder: Path = FOLDER) -> None:
    """Writes a GIF for each of `PICTURES`.

    Args:
        folder: where to.
    """
    for name, episodes in PICTURES.items():
        pictures = list(episodes())
        write_gif(folder / name, pictures, [SHOWN] * len(pictures))


def masked_clips() -> Iterator[Image.Image]:
    """Test clips of different classes, each whole and then under the one mask that pays best for its class."""
    game = Game(load_table(shipped_table("motionshapes", "i3d_tiny", 8, "test")), MaskReward(gamma=6.0))
    masks = game.best_by(game.labels).constants
    env = gym.make("Ada3D-MotionShapes-v1", gamma=6.0, **SHOWING)
    for info in _different(env, CLIPS):
        yield _shown(env)
        env.step(masks[info["label"]].mask)
        yield _shown(env)
    env.close()


def looks() -> Iterator[Image.Image]:
    """Test videos of different classes, each before the first look and after every one."""
    env = gym.make("Ada3D-MotionShapesUntrimmed-v0", steps=len(PLACES), **SHOWING)
    for _ in _different(env, VIDEOS):
        yield _shown(env)
        for place in PLACES:
            env.step(np.array([place, 0.0], np.float32))
            yield _shown(env)
    env.close()


def _different(env: gym.Env[Any, Any], count: int) -> Iterator[dict[str, Any]]:
    """Resets up to each of so many episodes of different classes, the families in turn; their infos."""
    seen: list[tuple[str, int]] = []
    info = env.reset(seed=0)[1]
    while len(seen) < count:
        kind = FAMILIES[info["label"]], info["label"]
        if kind not in seen and kind[0] not in [family for family, _ in seen[len(seen) // 3 * 3 :]]:
            seen.append(kind)
            yield info
        info = env.reset()[1]


def _shown(env: gym.Env[Any, Any]) -> Image.Image:
    picture = Image.fromarray(np.asarray(env.render()))
    return picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)


PICTURES: dict[str, Callable[[], Iterator[Image.Image]]] = {
    "environment-masks.gif": masked_clips,
    "environment-looks.gif": looks,
}

if __name__ == "__main__":
    run(environment_pictures)
