"""Rewards of a classified clip: one for each head of the policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.named import imported, own_code

Bits = NDArray[np.bool_]
Values = NDArray[np.float64]
Shaping = Literal["accuracy", "confidence", "margin"]
Cost = Literal["usage", "macs"]


@dataclass(frozen=True)
class Answers:
    """What a reward may look at, for B pulled clips.

    Attributes:
        correct: (B,) bool; False where no frame was kept.
        scores: (B, C) float32 class probabilities; zeros where no frame was kept.
        targets: (B, C) bool, all labels of each clip.
        u: frame masks (B, T) bool.
        v: stage masks (B, K) bool.
        macs_share: (B,) float64, the clip's multiply-accumulates over those of the whole network on the whole clip.

    Beside an outcome table (`ada3d_gym.outcomes`) there are no scores, and what its parts do not hold is a `TableError`
    where it is asked for.
    """

    correct: Bits
    scores: NDArray[np.float32]
    targets: Bits
    u: Bits
    v: Bits
    macs_share: Values

    @property
    def prediction(self) -> NDArray[np.int64]:
        """(B,) class index; -1 where no frame was kept."""
        return np.where(self.u.any(1), self.scores.argmax(1), -1)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(B,) probability of the predicted class; 0 where no frame was kept."""
        best: NDArray[np.float32] = self.scores[np.arange(len(self.scores)), self.scores.argmax(1)]
        return best

    @property
    def label_probability(self) -> Values:
        """(B,) probability of the clip's labels together, in [0, 1]."""
        total: Values = (self.scores * self.targets).sum(1, dtype=np.float64)
        return np.minimum(total, 1.0)  # several labels add up

    @property
    def label_margin(self) -> Values:
        """(B,) the labels' largest probability minus the largest of any other class, in [-1, 1]."""
        return label_margin(self.scores, self.targets)


def label_margin(scores: NDArray[np.float32], targets: Bits) -> Values:
    """(B,) the largest score of the labels (B, C) minus the largest of any other class, in [-1, 1]."""
    labels = np.where(targets, scores, 0).max(1)
    others = np.where(targets, 0, scores).max(1)
    margin: Values = (labels - others).astype(np.float64)
    return margin


class Reward(Protocol):
    """What a bandit pays for masks, given what the masked classifier answered."""

    def __call__(self, answers: Answers) -> tuple[Values, Values]:
        """Rewards (B,) float64 of the frame head and of the stage head."""


@dataclass(frozen=True)
class MaskReward:
    """The paper's reward (Eq. 4) and variants of it: right * (1 - O(x)) - wrong * gamma, for x in {u, v}.

    Args:
        gamma: penalty of a wrong answer, no discount; at least 0. A larger one keeps more frames and stages.
        cost: O. "usage" is the paper's: `O(u) = |u| / T` and `O(v) = (|v| / K)^2`. "macs" charges both heads the clip's
            share of the network's multiply-accumulates, so that a stage costs what it computes.
        reward: right and wrong. With p the probability of the clip's labels and q the largest of any other class:
            "accuracy", the paper's: 1 and 0 for a correct prediction, else 0 and 1;
            "confidence": p and 1 - p, the mean of Eq. 4 if the prediction were drawn from the scores;
            "margin": the positive and the negative part of p - q, zero where the prediction is a toss-up.
            A clip that keeps no frame is wholly wrong in each.

    Each head's reward is in [-gamma, 1].
    """

    gamma: float = 1.0
    cost: Cost = "usage"
    reward: Shaping = "accuracy"

    def __post_init__(self) -> None:
        if not (isinstance(self.gamma, (int, float, np.number)) and np.isfinite(self.gamma) and self.gamma >= 0):
            raise InputError(f"gamma={self.gamma!r} is not a penalty: expected a finite number of at least 0")
        for name, choices in (("cost", get_args(Cost)), ("reward", get_args(Shaping))):
            if getattr(self, name) not in choices:
                raise InputError(f"unknown {name} {getattr(self, name)!r}: expected one of {', '.join(choices)}")

    def __call__(self, answers: Answers) -> tuple[Values, Values]:
        right, wrong = _SHAPINGS[self.reward](answers)
        empty = ~answers.u.any(1)
        right, wrong = np.where(empty, 0.0, right), np.where(empty, 1.0, wrong)
        if self.cost == "macs":
            costs = answers.macs_share, answers.macs_share
        else:
            costs = answers.u.mean(1), answers.v.mean(1) ** 2
        frames, stages = (right * (1 - cost) - wrong * self.gamma for cost in costs)
        return frames, stages


def _accuracy(answers: Answers) -> tuple[Values, Values]:
    return answers.correct.astype(np.float64), np.logical_not(answers.correct).astype(np.float64)


def _confidence(answers: Answers) -> tuple[Values, Values]:
    right = answers.label_probability
    return right, 1 - right


def _margin(answers: Answers) -> tuple[Values, Values]:
    margin = answers.label_margin
    return np.maximum(margin, 0), np.maximum(-margin, 0)


def reward_of(reward: Shaping | str | Reward | type[Reward], gamma: float = 1.0, cost: Cost = "usage") -> Reward:
    """The reward that an environment's arguments ask for.

    Args:
        reward: one of MaskReward's; or one's own: a function or another object that can be called as `Reward`, a class
            of such, or the name of either, "module:name". A class is made with those of gamma and cost that its
            constructor takes by name; a function knows its own penalty.
        gamma, cost: see `MaskReward`.

    Raises:
        InputError: for what is none of these, and a class that cannot be made so.
    """
    if isinstance(reward, str) and ":" not in reward:
        return MaskReward(gamma, cost, reward)  # type: ignore[arg-type]  # which names are right, it says itself
    named: Any = imported("reward", reward, "module:Class or module:function") if isinstance(reward, str) else reward
    if isinstance(named, type):
        with own_code(f"reward {named.__name__} cannot be made"):
            taken, given = signature(named).parameters, {"gamma": gamma, "cost": cost}
            named = named(**{name: value for name, value in given.items() if name in taken})
    if not callable(named):
        expected = "one of " + ", ".join(get_args(Shaping)) + ", or what is called with ada3d_gym.rewards.Answers"
        raise InputError(f"reward is {reward!r}: expected {expected}")
    own: Reward = named
    return own


def paid(reward: Reward, answers: Answers) -> tuple[Values, Values]:
    """Rewards (B,) float64 of both heads; an InputError for others of somebody's own reward."""
    values = reward(answers)
    if isinstance(reward, MaskReward):
        return values
    called, shape = getattr(reward, "__name__", type(reward).__name__), answers.correct.shape
    if not (isinstance(values, tuple) and len(values) == 2 and all(np.shape(each) == shape for each in values)):
        got = [np.shape(each) for each in values] if isinstance(values, tuple) else type(values).__name__
        expected = f"two arrays of shape {shape}, of the frame bits and of the stage bits"
        raise InputError(f"reward {called} gave {got}: expected {expected}")
    frames, stages = (np.asarray(each, np.float64) for each in values)
    if not (np.isfinite(frames).all() and np.isfinite(stages).all()):
        raise InputError(f"reward {called} gave values that are not finite: expected numbers for every clip")
    return frames, stages


_SHAPINGS: dict[Shaping, Callable[[Answers], tuple[Values, Values]]] = {
    "accuracy": _accuracy,
    "confidence": _confidence,
    "margin": _margin,
}
