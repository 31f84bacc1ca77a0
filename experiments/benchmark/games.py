"""The outcome tables of tasks, and what masks are worth on them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.record import Standing
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask
from ada3d_gym.masks import mask_numbers, split_mask
from ada3d_gym.outcomes.classifier import check_named
from ada3d_gym.outcomes.table import OutcomeTable, load_table
from ada3d_gym.outcomes.values import Game
from ada3d_gym.registration import ENVIRONMENTS
from ada3d_gym.rewards import MaskReward
from ada3d_gym.shipped import shipped_table


def table_path(task: BenchmarkTask, split: str) -> Path:
    """The outcome table of a split's clips.

    Raises:
        InputError: where "table" is asked for and none ships.
    """
    given = task.table_of(split)
    if given != "table":
        return Path(given)
    settings = ENVIRONMENTS[task.env]
    return shipped_table(settings["dataset"], settings["backbone"], settings["num_frames"], split)


def task_game(task: BenchmarkTask, split: str) -> Game:
    """All that can be earned on a split's clips.

    Raises:
        InputError: for a table of other videos, another network or number of frames than the task's id.
    """
    table = _loaded(table_path(task, split))
    settings = ENVIRONMENTS[task.env]
    check_named(table, dataset=settings["dataset"], split=split, backbone=settings["backbone"])
    if table.num_frames != settings["num_frames"]:
        raise InputError(f"task {task.name}: {table.name} has T={table.num_frames}, expected {settings['num_frames']}")
    return Game(table, MaskReward(task.gamma, task.cost, task.reward))


@lru_cache(maxsize=16)
def _loaded(path: Path) -> OutcomeTable:
    return load_table(path)


def standing(game: Game, masks: NDArray[Any]) -> Standing:
    """What masks (n, T + K) of a game's clips, or one (T + K,) for all, earn."""
    masks = np.broadcast_to(masks, (len(game), game.table.num_frames + game.table.num_stages))
    reward = game.value(masks)
    numbers = mask_numbers(*split_mask(masks, game.table.num_frames, game.table.num_stages))
    return Standing(
        reward=reward,
        accuracy=float(game.table.correct(game.rows, numbers).mean()),
        macs=float(game.table.macs[numbers].mean()),
        masks=len(np.unique(numbers)),
        regret=game.oracle().mean - reward,
    )
