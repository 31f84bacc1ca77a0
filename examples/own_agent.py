"""An agent of one's own that learns, trained, resumed and judged by the commands that serve every other:

ada3d train Ada3D-MotionShapes-v1 --agent examples.own_agent:BudgetByMotion
ada3d benchmark run quick --agents ppo examples.own_agent:BudgetByMotion --seeds 3
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.agents import Agent
from ada3d_gym.masks import split_mask
from ada3d_gym.seeding import spawn


@dataclass(frozen=True)
class MotionOptions:
    """Set by `--set epochs=3 step=0.2`."""

    epochs: int = 2
    step: float = 0.1


class BudgetByMotion(Agent):
    """Everything for clips that change much from frame to frame, one frame in 2D for the rest; learns where to cut."""

    Options = MotionOptions

    def __init__(self, bandit: Any, options: MotionOptions, *, seed: int = 0, device: str = "cpu"):
        super().__init__(bandit, options, seed=seed, device=device)
        self.total_epochs = options.epochs
        self.cut = 6.0

    def act(self, observations: NDArray[Any], deterministic: bool = True, cut: float | None = None) -> NDArray[np.int8]:
        masks = np.ones((len(observations), self.bandit.num_frames + self.bandit.num_stages), np.int8)
        masks[_change(observations) < (self.cut if cut is None else cut), 1:] = 0
        return masks

    def train_epoch(self) -> dict[str, float]:
        ids = self.bandit.usable(self.bandit.epoch(np.random.default_rng(spawn(self.seed, self.epoch)))[:256])
        shown, paid = self.bandit.observer(ids), {}
        if self.epoch == 0:
            self.cut = float(np.median(_change(shown)))
        for cut in self.cut * np.array([1 - self.options.step, 1, 1 + self.options.step]):
            u, v = split_mask(self.act(shown, cut=cut), self.bandit.num_frames, self.bandit.num_stages)
            paid[float(cut)] = float(self.bandit.pull(ids, u, v).reward.mean())
        self.cut = max(paid, key=paid.__getitem__)
        return {"cut": self.cut, "reward": paid[self.cut]}

    @property
    def pulls_per_epoch(self) -> int:
        """What the benchmark asks for, to set `epochs` by the pulls that are allowed."""
        return 3 * min(256, len(self.bandit.source) // self.bandit.source.views)

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "cut": torch.tensor(self.cut)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch, self.cut = state["epoch"], float(state["cut"])


def _change(observations: NDArray[Any]) -> NDArray[np.float32]:
    """(B,) mean change from frame to frame, of pixels (B, T, 3, H, W) or features (B, T, C)."""
    changes = np.abs(np.diff(observations.astype(np.float32), axis=1))
    mean: NDArray[np.float32] = changes.reshape(len(changes), -1).mean(1)
    return mean
