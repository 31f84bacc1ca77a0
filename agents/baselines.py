"""Baselines of REINFORCE: what is taken off a reward, so that a gradient says better or worse, not good or bad."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ada3d_gym import parallel

Name = Literal["leave_one_out", "greedy", "batch_mean", "moving_average", "value", "none"]


@dataclass(frozen=True)
class Batch:
    """What a baseline may look at.

    Attributes:
        rewards: (2, S, B) of the frame head and the stage head, for S masks of each of B clips.
        greedy: computes the rewards (2, B) of the greedy masks, in a pull of its own.
        features: computes the clips' features (B, D) in the selection network, without a gradient.
        whole: clips of the batch in all processes; the B of a single one by default.
    """

    rewards: Tensor
    greedy: Callable[[], Tensor]
    features: Callable[[], Tensor]
    whole: int | None = None

    def of_all(self, values: Tensor) -> Tensor:
        """Values (..., B) of all processes' clips."""
        return parallel.gather_rows(values, values.shape[-1] if self.whole is None else self.whole)


class Baseline(nn.Module, ABC):
    """Turns rewards into advantages (2, S, B). What it has learned is in its `state_dict`."""

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor: ...


class Nothing(Baseline):
    """The reward itself."""

    def forward(self, batch: Batch) -> Tensor:
        return batch.rewards


class LeaveOneOut(Baseline):
    """The mean of the clip's other samples: unbiased, and made for the clip."""

    def forward(self, batch: Batch) -> Tensor:
        rewards = batch.rewards
        return rewards - (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)


class Greedy(Baseline):
    """Self-critical: the reward of the greedy mask, for one more pull of each clip."""

    def forward(self, batch: Batch) -> Tensor:
        return batch.rewards - batch.greedy()[:, None]


class BatchMean(Baseline):
    """The mean over all samples of the batch, for each head."""

    def forward(self, batch: Batch) -> Tensor:
        return batch.rewards - batch.of_all(batch.rewards).mean((1, 2), keepdim=True)


class MovingAverage(Baseline):
    """A moving average of the batch means before this one, for each head; the first batch's own mean to begin with."""

    average: Tensor
    seen: Tensor

    def __init__(self, decay: float = 0.95):
        super().__init__()
        self.decay = decay
        self.register_buffer("average", torch.zeros(2))
        self.register_buffer("seen", torch.zeros((), dtype=torch.bool))

    def forward(self, batch: Batch) -> Tensor:
        mean = batch.of_all(batch.rewards).mean((1, 2))
        if not self.seen:
            self.average.copy_(mean)
            self.seen.fill_(True)
        advantages = batch.rewards - self.average[:, None, None]
        self.average.lerp_(mean, 1 - self.decay)
        return advantages


class LearnedValue(Baseline):
    """A linear value of the clip's features for each head, fitted by least squares as training goes.

    Args:
        features: D.
        lr: of its Adam.
    """

    def __init__(self, features: int, lr: float = 1e-2):
        super().__init__()
        self.value = nn.Linear(features, 2)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)
        self.optimizer = torch.optim.Adam(self.value.parameters(), lr)

    def forward(self, batch: Batch) -> Tensor:
        features = batch.features().T  # (D, B)
        advantages: Tensor = batch.rewards - self._values(features)
        features, rewards = batch.of_all(features), batch.of_all(batch.rewards)
        with torch.enable_grad():
            loss = (self._values(features) - rewards).pow(2).mean()
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
        return advantages

    def _values(self, features: Tensor) -> Tensor:
        values: Tensor = self.value(features.T).T[:, None]  # (2, 1, B)
        return values

    def get_extra_state(self) -> dict[str, Any]:
        return self.optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state)


def make_baseline(name: Name, features: int) -> Baseline:
    """A baseline by its name; `features` is D, for "value"."""
    plain: dict[str, type[Baseline]] = {
        "leave_one_out": LeaveOneOut,
        "greedy": Greedy,
        "batch_mean": BatchMean,
        "moving_average": MovingAverage,
        "none": Nothing,
    }
    return LearnedValue(features) if name == "value" else plain[name]()
