"""Epsilon-greedy on a menu of masks: each has a value of its own, and now and then one is tried at random."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.agents.feature_bandit import FeatureBandit, Masks, check_bandit, rewards_of
from ada3d_gym.agents.per_bit import Model
from ada3d_gym.agents.replay import Replay
from ada3d_gym.bandit import ClipBandit, Outcome
from ada3d_gym.divergence import finite
from ada3d_gym.envs.codings import MaskMenu
from ada3d_gym.errors import InputError
from ada3d_gym.seeding import Stream, spawn, torch_seed


@dataclass(frozen=True)
class EpsilonGreedyOptions:
    """The menu, how values are learned, and how often they are not asked.

    Attributes:
        epochs, batch_size, components, weights: as in `ada3d_gym.agents.per_bit.PerBitOptions`.
        masks: the menu to choose from, "spread" or "all"; see `ada3d_gym.envs.codings.MaskMenu`. "all" is more masks
            than most trainings have pulls for: a value is learned for each by itself.
        model: "linear", a ridge regression for each mask; "neural", a network with an output for each mask, trained on
            replayed pulls.
        epsilon, final_epsilon: the share of masks drawn at random falls from the first to the second, in a line over
            `exploration_fraction` of the training, and stays there.
        ridge: prior precision of every weight of a linear model.
        hidden, lr, gradient_steps, replay_batch, replay: of "neural", as in `PerBitOptions`.
    """

    epochs: int = 8
    batch_size: int = 64
    components: int = 4
    weights: str | None = None
    masks: str = "spread"
    model: Model = "linear"
    epsilon: float = 1.0
    final_epsilon: float = 0.05
    exploration_fraction: float = 0.5
    ridge: float = 1.0
    hidden: int = 128
    lr: float = 1e-3
    gradient_steps: int = 1
    replay_batch: int = 128
    replay: int = 50_000

    def __post_init__(self) -> None:
        check_bandit(self)
        if self.model not in get_args(Model):
            raise InputError(f"unknown model {self.model!r}: expected one of {', '.join(get_args(Model))}")
        for name in ("hidden", "gradient_steps", "replay_batch", "replay"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: expected at least 1")
        for name in ("epsilon", "final_epsilon", "exploration_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name}={getattr(self, name)}: expected 0 to 1")
        if not self.ridge > 0:
            raise InputError(f"ridge={self.ridge}: expected more than 0")


class EpsilonGreedy(FeatureBandit):
    """Values of masks by regression, and a share of masks at random.

    Attributes:
        menu: the masks, and their numbers.
    """

    Options = EpsilonGreedyOptions

    def __init__(self, bandit: ClipBandit, options: EpsilonGreedyOptions, *, seed: int = 0, device: str = "cpu"):
        super().__init__(bandit, options, seed=seed, device=device)
        self.menu = MaskMenu(bandit.num_frames, bandit.num_stages, options.masks)
        width, masks = 1 + options.components, len(self.menu.masks)
        if options.model == "linear":
            self._values: RidgeValues | NeuralValues = RidgeValues(width, masks, options.ridge, device)
        else:
            pulls = options.epochs * (len(bandit.source) // bandit.source.views)
            with torch_seed(spawn(seed, Stream.BANDIT_WEIGHTS)):
                self._values = NeuralValues(width, masks, options, pulls, device)
        self._count()

    def epsilon(self, progress: float) -> float:
        """The share of random masks when a share `progress` of the training is done."""
        start, end, fraction = self.options.epsilon, self.options.final_epsilon, self.options.exploration_fraction
        return float(end + (start - end) * max(0.0, 1 - progress / fraction)) if fraction else float(end)

    def _best(self, context: Tensor) -> Masks:
        return self.menu.decode(self._values(context).argmax(1).cpu().numpy())

    def _explore(self, context: Tensor, progress: float, rng: np.random.Generator) -> Masks:
        masks = self._best(context)
        random = rng.random(len(masks)) < self.epsilon(progress)
        masks[random] = self.menu.decode(rng.integers(len(self.menu.masks), size=int(random.sum())))
        return masks

    def _learn(
        self, context: Tensor, masks: Masks, outcome: Outcome, progress: float, rng: np.random.Generator
    ) -> dict[str, float]:
        actions = torch.from_numpy(self.menu.encode(masks)).to(context.device)
        return self._values.learn(context, actions, rewards_of(outcome, context).sum(1), progress, rng)

    def own_state(self) -> dict[str, Any]:
        return {"values": self._values.state_dict()}

    def load_own_state(self, state: dict[str, Any]) -> None:
        self._values.load_state_dict(state["values"])


class RidgeValues:
    """A ridge regression of the reward on contexts for each of N masks.

    Args:
        width: of contexts.
        masks: N.
        ridge: prior precision of every weight.
        device: where the sums are.
    """

    def __init__(self, width: int, masks: int, ridge: float, device: str):
        self._precision = (ridge * torch.eye(width, device=device)).repeat(masks, 1, 1)
        self._moments = torch.zeros(masks, width, device=device)
        self._weights = torch.zeros(masks, width, device=device)

    def __call__(self, context: Tensor) -> Tensor:
        """(B, N)."""
        return context @ self._weights.T

    def learn(
        self, context: Tensor, actions: Tensor, rewards: Tensor, progress: float, rng: np.random.Generator
    ) -> dict[str, float]:
        self._precision.index_add_(0, actions, context[:, :, None] * context[:, None])
        self._moments.index_add_(0, actions, context * rewards[:, None])
        tried = actions.unique()
        self._weights[tried] = torch.linalg.solve(self._precision[tried], self._moments[tried])
        return {}

    def state_dict(self) -> dict[str, Tensor]:
        return {"precision": self._precision, "moments": self._moments, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, own in self.state_dict().items():
            own.copy_(state[name])


class NeuralValues:
    """A network of contexts with a value for each of N masks.

    Args:
        width: of contexts.
        masks: N.
        options: of the agent.
        pulls: that the training will make in all.
        device: where it runs.
    """

    def __init__(self, width: int, masks: int, options: EpsilonGreedyOptions, pulls: int, device: str):
        self._options = options
        self.network = nn.Sequential(nn.Linear(width, options.hidden), nn.ReLU(), nn.Linear(options.hidden, masks)).to(
            device
        )
        self.optimizer = torch.optim.Adam(self.network.parameters(), options.lr, foreach=True)
        self.replay = Replay(max(1, min(options.replay, pulls)), device)

    def __call__(self, context: Tensor) -> Tensor:
        """(B, N)."""
        values: Tensor = self.network(context)
        return values

    def learn(
        self, context: Tensor, actions: Tensor, rewards: Tensor, progress: float, rng: np.random.Generator
    ) -> dict[str, float]:
        self.replay.add(context, actions, rewards)
        for group in self.optimizer.param_groups:
            group["lr"] = self._options.lr * 0.5 * (1 + math.cos(math.pi * progress))
        losses = []
        for _ in range(self._options.gradient_steps):
            drawn, chosen, paid = self.replay.draw(self._options.replay_batch, rng)
            loss = F.mse_loss(self.network(drawn).gather(1, chosen[:, None])[:, 0], paid)
            self.optimizer.zero_grad()
            losses.append(finite(loss.item(), "the loss of the values", self.optimizer))
            loss.backward()
            self.optimizer.step()
        return {"loss": float(np.mean(losses))}

    def state_dict(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "replay": self.replay.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.replay.load_state_dict(state["replay"])
