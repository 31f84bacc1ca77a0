"""Thompson sampling and UCB, with a linear model of each bit of the mask.

Both decide bit by bit, by a regression of the reward on the context of the clip (`ada3d_gym.agents.bit_models`).
Thompson sampling draws all weights from their posterior, once for a batch, and sets the bits that pay by them. UCB adds
`alpha` standard deviations to what setting a bit should pay, and to what leaving it should pay, and takes the better.

With `bits="separate"`, each of the two values of each bit has a regression of its own. That is biased: the reward
depends on all bits together, and what others do is noise to it, or passes for its own effect. With "joint", one
regression r = x·θ_0 + Σ_j (a_j - 1/2) x·θ_j estimates the effects beside each other. Products of bits are in
neither, so what a bit pays is only right beside the other bits as they have been set of late: hence `forget`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ada3d_gym.agents.bit_models import JointBits, SeparateBits
from ada3d_gym.agents.feature_bandit import FeatureBandit, Masks, check_bandit, rewards_of, with_a_frame
from ada3d_gym.agents.neural_features import NeuralFeatures
from ada3d_gym.agents.reinforce_options import Credit
from ada3d_gym.bandit import ClipBandit, Outcome
from ada3d_gym.errors import InputError
from ada3d_gym.seeding import Stream, spawn, torch_seed

Bits = Literal["joint", "separate"]
Model = Literal["linear", "neural"]
_CHOICES = {"bits": Bits, "model": Model, "credit": Credit}
_MODELS: dict[Bits, type[JointBits] | type[SeparateBits]] = {"joint": JointBits, "separate": SeparateBits}


@dataclass(frozen=True)
class PerBitOptions:
    """Of both agents.

    Attributes:
        epochs: visits of every video; each is one pull.
        batch_size: clips whose masks are chosen before the model is updated.
        model: "linear" regresses on principal components of the features of frames; "neural" on the last hidden layer
            of a small network that is trained on replayed pulls (neural-linear).
        bits: "joint", one regression with all bits; "separate", one for each value of each bit.
        credit: "paper" regresses the frame head's reward for frame bits and the stage head's for stage bits; "joint"
            their sum for all.
        components: of the features of frames, that contexts are made of.
        ridge: prior precision of every weight.
        forget: older pulls count so much less with each batch; 1 forgets nothing.
        weights: of the selection network's trunk, as REINFORCE has it; the shipped ones where they fit, else random.
        hidden, features: widths of the network's two layers, for "neural" as all that follow.
        lr: of Adam; a cosine takes it to zero.
        gradient_steps: after each batch.
        replay_batch: pulls in a gradient step.
        replay: pulls that are kept to learn from.
    """

    epochs: int = 8
    batch_size: int = 64
    model: Model = "linear"
    bits: Bits = "joint"
    credit: Credit = "paper"
    components: int = 24
    ridge: float = 1.0
    forget: float = 0.995
    weights: str | None = None
    hidden: int = 64
    features: int = 24
    lr: float = 3e-3
    gradient_steps: int = 1
    replay_batch: int = 128
    replay: int = 50_000

    def __post_init__(self) -> None:
        check_bandit(self)
        for name, kind in _CHOICES.items():
            if getattr(self, name) not in get_args(kind):
                expected = ", ".join(get_args(kind))
                raise InputError(f"unknown {name} {getattr(self, name)!r}: expected one of {expected}")
        for name in ("hidden", "features", "gradient_steps", "replay_batch", "replay"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: expected at least 1")
        if not self.ridge > 0:
            raise InputError(f"ridge={self.ridge}: expected more than 0")
        if not 0 < self.forget <= 1:
            raise InputError(f"forget={self.forget}: expected more than 0, at most 1")


@dataclass(frozen=True)
class ThompsonOptions(PerBitOptions):
    """Attributes:
    scale: of the posterior's deviations, the standard deviation of a reward that the model does not explain; larger
        explores more.
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.scale < float("inf"):
            raise InputError(f"scale={self.scale}: expected a finite number of at least 0")


@dataclass(frozen=True)
class UCBOptions(PerBitOptions):
    """Attributes:
    alpha: standard deviations that are added to the means; larger explores more.
    """

    alpha: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.alpha < float("inf"):
            raise InputError(f"alpha={self.alpha}: expected a finite number of at least 0")


class PerBit(FeatureBandit):
    """What both share.

    Attributes:
        regression: of the bits.
        network: that the regression's features come from; None of a linear model.
    """

    def __init__(self, bandit: ClipBandit, options: PerBitOptions, *, seed: int = 0, device: str = "cpu"):
        super().__init__(bandit, options, seed=seed, device=device)
        heads = torch.tensor([0] * bandit.num_frames + [1] * bandit.num_stages)
        self.network: NeuralFeatures | None = None
        if options.model == "neural":
            pulls = options.epochs * (len(bandit.source) // bandit.source.views)
            with torch_seed(spawn(seed, Stream.BANDIT_WEIGHTS)):
                self.network = NeuralFeatures(1 + options.components, len(heads), options, pulls, device)
        width = 1 + (options.components if self.network is None else options.features)
        self.regression = _MODELS[options.bits](width, heads, options.ridge, options.forget, device)
        self._credit = options.credit
        self._count()

    def _seen(self, context: Tensor) -> Tensor:
        return context if self.network is None else self.network(context)

    def _best(self, context: Tensor) -> Masks:
        return with_a_frame(self.regression.mean(self._seen(context)), self.bandit.num_frames)

    @torch.no_grad()
    def _learn(
        self, context: Tensor, masks: Masks, outcome: Outcome, progress: float, rng: np.random.Generator
    ) -> dict[str, float]:
        bits, rewards = torch.from_numpy(masks).to(context.device).bool(), rewards_of(outcome, context)
        if self._credit == "joint":
            rewards = rewards.sum(1, keepdim=True).expand(-1, 2)
        figures = {}
        if self.network is not None:
            figures["loss"] = self.network.learn(context, bits, rewards, progress, rng)
        self.regression.add(self._seen(context), bits, rewards)
        return figures

    def own_state(self) -> dict[str, Any]:
        network = {} if self.network is None else {"network": self.network.state_dict()}
        return {"regression": self.regression.state_dict(), **network}

    def load_own_state(self, state: dict[str, Any]) -> None:
        self.regression.load_state_dict(state["regression"])
        if self.network is not None:
            self.network.load_state_dict(state["network"])


class Thompson(PerBit):
    """Thompson sampling, bit by bit."""

    Options = ThompsonOptions

    def _explore(self, context: Tensor, progress: float, rng: np.random.Generator) -> Masks:
        return with_a_frame(
            self.regression.sampled(self._seen(context), self.options.scale, rng), self.bandit.num_frames
        )


class UCB(PerBit):
    """Upper confidence bounds, bit by bit; nothing is drawn."""

    Options = UCBOptions

    def _explore(self, context: Tensor, progress: float, rng: np.random.Generator) -> Masks:
        return with_a_frame(self.regression.optimistic(self._seen(context), self.options.alpha), self.bandit.num_frames)
