"""Agents of one's own, as `module:Class`, that do in a run what agents should not."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.agents.agent import Agent
from ada3d_gym.errors import DivergedError, InputError


class Everything(Agent):
    """Keeps everything."""

    observation = "features"

    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        return np.ones((len(observations), self.bandit.num_frames + self.bandit.num_stages), np.int8)


class Wrong(Everything):
    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        raise InputError("never acts")


class Faulty(Everything):
    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        raise ZeroDivisionError("a fault of the program")


class Killed(Everything):
    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class Endless(Everything):
    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        time.sleep(600)
        raise AssertionError


class Diverging(Everything):
    """Tries a mask on each of 100 clips, and breaks in its second epoch."""

    total_epochs = 2

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch}

    def train_epoch(self) -> dict[str, float]:
        if self.epoch:
            raise DivergedError("a weight is nan")
        ids = self.bandit.draw(100)
        self.bandit.pull(ids, *(np.ones((100, n), np.bool_) for n in (self.bandit.num_frames, self.bandit.num_stages)))
        return {}


class Misshapen(Everything):
    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        return super().act(observations)[:, :3]


class PullsToAct(Everything):
    """Tries a mask when it is only asked what it would choose."""

    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        _try_some(self, 10)
        return super().act(observations)


class PullsWhenMade(Everything):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        _try_some(self, 10)


class Unhooks(Everything):
    """Has its pulls not counted."""

    total_epochs = 1

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch}

    def train_epoch(self) -> dict[str, float]:
        self.bandit.on_pull = None
        _try_some(self, 100)
        return {}


class NotFinite(Everything):
    """Its weights are no longer numbers when the budget ends, in the middle of an epoch."""

    total_epochs = 1
    weight = torch.zeros(1)

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "weight": self.weight}

    def train_epoch(self) -> dict[str, float]:
        _try_some(self, 800)
        self.weight = torch.full((1,), torch.nan)
        _try_some(self, 100)
        return {}


def _try_some(agent: Agent, count: int) -> None:
    bandit = agent.bandit
    bandit.pull(bandit.draw(count), *(np.ones((count, n), np.bool_) for n in (bandit.num_frames, bandit.num_stages)))
