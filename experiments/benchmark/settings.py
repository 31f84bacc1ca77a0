"""What all runs of a task share in a process: videos, tables, and what agents are shown of each clip."""

from __future__ import annotations

import json
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ada3d_gym.agents.agent import Agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.games import standing, table_path, task_game
from ada3d_gym.experiments.benchmark.record import Standing
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask
from ada3d_gym.masks import join_mask, split_mask
from ada3d_gym.observers import FeatureObserver, Observation
from ada3d_gym.outcomes.values import Game
from ada3d_gym.registration import ENVIRONMENTS
from ada3d_gym.rewards import MaskReward

BATCH = 1024  # clips that an agent is shown together when it is judged


class KnownFeatures:
    """Features of all clips, computed once: a batch of them takes an index, not a search.

    Args:
        features: (N, T, C) float32, by clip id.
    """

    def __init__(self, features: NDArray[np.float32]):
        self._features = features
        self.space = spaces.Box(-np.inf, np.inf, features.shape[1:], np.float32)

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._features[ids]


class Clips:
    """The clips of a split of a task, as a bandit on their outcome table."""

    def __init__(self, task: BenchmarkTask, split: str, observation: Observation, device: str):
        self.task, self.split = task, split
        where = json.dumps(task.environment, sort_keys=True)
        self._made = _made(task.env, where, split, str(table_path(task, split)), observation, device)
        self._reward = MaskReward(task.gamma, task.cost, task.reward)
        table, videos = self.game.table, len(self._made.source) // self._made.source.views
        if table.about.videos != videos:
            raise InputError(
                f"task {task.name}: {table.name} is of {table.about.videos} videos, and its environment has {videos}: "
                f"expected tables of the same videos"
            )

    @cached_property
    def game(self) -> Game:
        """What their masks are worth."""
        return task_game(self.task, self.split)

    def bandit(self) -> ClipBandit:
        """A fresh bandit on them; what takes time to make is shared."""
        made = self._made
        return ClipBandit(made.source, made.classifier, self._reward, made.observer, made.order)

    def judge(self, agent: Agent) -> tuple[Standing, NDArray[np.int8]]:
        """What an agent's greedy masks earn, and these masks (n, T + K) in the table's order."""
        ids = self.game.table.arrays["clip"][self.game.rows]
        parts = [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
        bits = self.game.table.num_frames, self.game.table.num_stages
        acted = [split_mask(agent.act(self._made.observer(part)), *bits, batch=(len(part),)) for part in parts]
        masks = np.concatenate([join_mask(*each) for each in acted])
        return standing(self.game, masks), masks


@lru_cache(maxsize=4)
def task_clips(task_json: str, split: str, observation: Observation, device: str) -> Clips:
    """Those of this process for a task, written as JSON."""
    return Clips(BenchmarkTask.from_json(task_json), split, observation, device)


@lru_cache(maxsize=4)
def _made(env: str, environment: str, split: str, table: str, observation: Observation, device: str) -> ClipBandit:
    """What tasks share that differ in their reward alone."""
    settings: dict[str, Any] = {**ENVIRONMENTS[env], **json.loads(environment), "observation": observation}
    made = build_bandit(**settings, split=split, outcomes=Path(table), device=device)
    if isinstance(made.observer, FeatureObserver):
        made.observer = KnownFeatures(_all_of(made))
    return made


def _all_of(bandit: ClipBandit) -> NDArray[np.float32]:
    """Features (N, T, C) of all clips that the table knows; zeros for those that could not be decoded."""
    known = np.unique(bandit.usable(np.arange(len(bandit.source))))
    features = np.zeros((len(bandit.source), *bandit.observer.space.shape), np.float32)
    for start in range(0, len(known), BATCH):
        part = known[start : start + BATCH]
        features[part] = bandit.observer(part)
    return features
