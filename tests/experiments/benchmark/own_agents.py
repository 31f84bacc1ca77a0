"""Agents of one's own, as `module:Class`, that do in a run what agents should not."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np
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
