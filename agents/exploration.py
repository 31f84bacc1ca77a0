"""How a policy of independent bits is kept open while it learns: bits are never certain, and entropy pays."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ada3d_gym.errors import InputError
from ada3d_gym.networks.selection import MaskLogits
from ada3d_gym.seeding import CallStreams, torch_generator


class ExplorationOptions(Protocol):
    """See `ada3d_gym.agents.reinforce_options.ReinforceConfig`."""

    @property
    def epochs(self) -> int: ...
    @property
    def exploration(self) -> float: ...
    @property
    def final_exploration(self) -> float: ...
    @property
    def entropy(self) -> float: ...
    @property
    def final_entropy(self) -> float: ...


class Exploration:
    """Both schedules, over epochs.

    Args:
        options: where they begin and end.
        total_epochs: over which exploration goes from one to the other; entropy does within `options.epochs`.
        sequence: of the masks that are drawn outside of training.

    Attributes:
        entropy_weight: of both heads' entropy in the objective.
        level: a of `keep`.
    """

    def __init__(self, options: ExplorationOptions, total_epochs: int, sequence: np.random.SeedSequence):
        self._options, self._total_epochs = options, total_epochs
        self._calls = CallStreams(sequence)
        self.anneal(0.0)

    def anneal(self, epochs: float) -> None:
        """Sets both for after so many epochs."""
        options = self._options
        held = 1 - min(1.0, epochs / options.epochs) if options.epochs else 0.0
        left = 1 - epochs / self._total_epochs if self._total_epochs else 0.0
        self.entropy_weight = options.final_entropy + held * (options.entropy - options.final_entropy)
        self.level = options.final_exploration + left * (options.exploration - options.final_exploration)

    def keep(self, logits: MaskLogits) -> list[Tensor]:
        """Probabilities of keeping frames (B, T) and stages (B, K): a p + (1 - a)(1 - p) for sigmoids p, Eq. 1."""
        a, probabilities = self.level, (torch.sigmoid(part) for part in logits)
        return [(a * p + (1 - a) * (1 - p)).clamp(1e-6, 1 - 1e-6) for p in probabilities]

    def draw(self, logits: MaskLogits) -> tuple[Tensor, Tensor]:
        """Masks (B, T) and (B, K) bool, drawn as in training."""
        generator = torch_generator(self._calls.next(), logits.frames.device)
        keep = self.keep(logits)
        frames, stages = (torch.rand(p.shape, generator=generator, device=p.device) < p for p in keep)
        return frames, stages


def entropy(p: Tensor) -> Tensor:
    """Bernoulli entropy in nats, elementwise."""
    return -(p * p.log() + (1 - p) * (1 - p).log())  # p is never 0 or 1; F.binary_cross_entropy would refuse NaN


def check_exploration(options: ExplorationOptions) -> None:
    """Raises InputError for bounds that would turn a policy around, or let nothing be learned."""
    for name in ("exploration", "final_exploration"):
        if not 0.5 < getattr(options, name) <= 1:
            raise InputError(f"{name}={getattr(options, name)}: expected more than 0.5, at most 1")
