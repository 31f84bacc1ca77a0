"""Features for a Bayesian linear regression, learned from replayed pulls: neural-linear.

After C. Riquelme, G. Tucker, J. Snoek, Deep Bayesian Bandits Showdown, ICLR 2018, https://arxiv.org/abs/1802.09127.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.agents.replay import Replay
from ada3d_gym.divergence import finite


class NeuralOptions(Protocol):
    """See `ada3d_gym.agents.per_bit.PerBitOptions`."""

    @property
    def hidden(self) -> int: ...
    @property
    def features(self) -> int: ...
    @property
    def lr(self) -> float: ...
    @property
    def gradient_steps(self) -> int: ...
    @property
    def replay_batch(self) -> int: ...
    @property
    def replay(self) -> int: ...


class NeuralFeatures:
    """A small network whose last hidden layer is what is regressed on; it learns by a linear head of its own.

    The head has the form of `ada3d_gym.agents.bit_models.JointBits` and is left behind, since the regression has
    weights, and their uncertainty, for the same features.

    Args:
        inputs: width of contexts.
        bits: T + K.
        options: of the agent.
        pulls: that the training will make in all.
        device: where it runs.
    """

    def __init__(self, inputs: int, bits: int, options: NeuralOptions, pulls: int, device: str):
        hidden, features = options.hidden, options.features
        layers = nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, features), nn.ReLU()
        self.body = nn.Sequential(*layers).to(device)
        self.head = nn.Linear(1 + features, 2 * (1 + bits), bias=False).to(device)
        nn.init.zeros_(self.head.weight)
        self._options = options
        parameters = [*self.body.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.Adam(parameters, options.lr, foreach=True)
        self.replay = Replay(max(1, min(options.replay, pulls)), device)

    def __call__(self, context: Tensor) -> Tensor:
        """(B, 1 + features), a 1 first."""
        features = self.body(context)
        return torch.cat([features.new_ones(len(features), 1), features], 1)

    def learn(self, context: Tensor, bits: Tensor, rewards: Tensor, progress: float, rng: np.random.Generator) -> float:
        """Takes pulls in and makes some gradient steps on those that were ever made; returns their mean loss."""
        effects = torch.cat([context.new_ones(len(bits), 1), bits.to(context) - 0.5], 1)
        self.replay.add(context, effects, rewards)
        for group in self.optimizer.param_groups:
            group["lr"] = self._options.lr * 0.5 * (1 + math.cos(math.pi * progress))
        losses = []
        for _ in range(self._options.gradient_steps):
            drawn, given, paid = self.replay.draw(self._options.replay_batch, rng)
            with torch.enable_grad():
                weights = self.head(self(drawn)).unflatten(1, (-1, 2))  # (B, 1 + n, 2)
                loss = F.mse_loss((given[:, :, None] * weights).sum(1), paid)
                self.optimizer.zero_grad()
                losses.append(finite(loss.item(), "the loss of the features", self.optimizer))
                loss.backward()
            self.optimizer.step()
        return float(np.mean(losses))

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name).state_dict() for name in _PARTS}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])


_PARTS = ("body", "head", "optimizer", "replay")
