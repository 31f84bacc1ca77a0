"""Options of AdaFrame and its training: those of its paper, and some that learn faster on small videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ada3d_gym.agents.looking.adaframe import Evidence, First, Values
from ada3d_gym.errors import InputError

Where = Literal["learned", "uniform"]
Supervised = Literal["last", "all"]
Optimizer = Literal["sgd", "adam"]


@dataclass(frozen=True)
class AdaFrameOptions:
    """How AdaFrame is built and trained; the defaults are those of its paper, the ones marked M from memory.

    Attributes:
        steps: K, looks at each video in training.
        where: "learned" by the selection head, or "uniform" places in the order of `places.spread`, with no selection
            to learn: the rival that tells what choosing is worth.
        hidden: units of the LSTM; 2,048 for FCVID, 1,024 for ActivityNet.
        first, evidence, values: see `AdaFrame`.
        supervised: which steps' predictions the cross entropy is of. "last", as published; "all" averages over steps,
            for predictions that are asked for wherever the stopping rule ends.
        spread: standard deviation of the normal distribution that places are drawn from in training.
        discount: the gamma of the rewards.
        weight: lambda, of the utility's loss and of the policy gradient (M).
        epochs, batch_size: 100 and 128 (M; 64 for ActivityNet).
        optimizer, lr, weight_decay: SGD with momentum 0.9 (M), or Adam with decoupled weight decay.
        drop_every: epochs after which the learning rate is divided by ten (M); 0 takes it to zero along a cosine.
        dropout: share of the features, of looks and of the memory, that are zeroed in training; not of the paper.
        max_norm: of the gradient, longer ones are scaled down; not of the paper.
    """

    steps: int = 10
    where: Where = "learned"
    hidden: int = 2048
    first: First = "memory"
    evidence: Evidence = "features"
    values: Values = "encoded"
    supervised: Supervised = "last"
    spread: float = 0.1
    discount: float = 0.9
    weight: float = 1.0
    epochs: int = 100
    batch_size: int = 128
    optimizer: Optimizer = "sgd"
    lr: float = 1e-3
    weight_decay: float = 1e-4
    drop_every: int = 40
    dropout: float = 0.0
    max_norm: float | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "hidden", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: expected at least 1")
        kinds = {"where": Where, "supervised": Supervised, "optimizer": Optimizer}
        for name, known in kinds.items():
            if getattr(self, name) not in get_args(known):
                raise InputError(
                    f"unknown {name} {getattr(self, name)!r}: expected one of {', '.join(get_args(known))}"
                )
        if self.spread <= 0:
            raise InputError(f"spread={self.spread}: expected more than 0")


PRESETS = {
    "paper": AdaFrameOptions(),
    "fast": AdaFrameOptions(
        hidden=128,
        evidence="scores",
        supervised="all",
        epochs=80,
        batch_size=32,
        optimizer="adam",
        lr=3e-3,
        weight_decay=0.1,
        drop_every=0,
        dropout=0.3,
        max_norm=1.0,
    ),
}
