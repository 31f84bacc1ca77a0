"""Options of REINFORCE; `presets/` has values for MotionShapes, and what the paper says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ada3d_gym.agents.baselines import Name as Baseline
from ada3d_gym.agents.exploration import check_exploration
from ada3d_gym.errors import InputError
from ada3d_gym.precision import Precision

Credit = Literal["paper", "joint"]
Optimizer = Literal["adam", "sgd"]
Heads = Literal["both", "frames", "stages"]
_CHOICES = {"credit": Credit, "baseline": Baseline, "optimizer": Optimizer, "precision": Precision, "heads": Heads}


@dataclass(frozen=True)
class ReinforceConfig:
    """How the selection network learns.

    Attributes:
        epochs: E1 of Algorithm 1, with the classifier fixed.
        joint_epochs: E2, with the classifier trained along.
        batch_size: clips in an update.
        joint_batch_size: the same in the joint phase; as before by default.
        samples: masks drawn for each clip of a batch, from one forward pass of the selection network.
        lr: of Adam, for the heads; a cosine takes it to zero over each of the two phases.
        trunk_lr: the same for the pre-trained trunk.
        credit: "paper" pays each head its own reward (Eq. 6); "joint" pays both the sum, the gradient of Eq. 5.
        baseline: what is taken off a reward; see `agents.baselines`.
        optimizer: "adam", or the paper's "sgd" with momentum 0.9.
        accumulate: batches in one step of each optimizer, the classifier's included; they count as one larger batch.
        micro_batch: clips in one pass of the selection network, where those of a batch take too much memory. Masks and
            gradients are those of the whole batch, for another forward pass of this network; all by default.
        precision: of the selection network's passes; its weights are float32, so others are mixed precision.
        heads: which heads are learned; the other's masks come from the `other` policy (the paper's Table 6).
        exploration, final_exploration: a probability p becomes a p + (1 - a)(1 - p), so that no bit is ever certain; a
            at the start and at the end of both stages; 1 switches this off. Towards 1, single frames become safe to
            keep: chance no longer drops the only one.
        entropy, final_entropy: weight of the Bernoulli entropy of both heads, at the start and from the end of stage 1
            on. While it holds masks open, frames are judged by what they show; closed early, they freeze into one mask
            for each class.
        seed: of the clips' order and the masks.
    """

    epochs: int = 6
    joint_epochs: int = 4
    batch_size: int = 32
    joint_batch_size: int | None = None
    samples: int = 4
    lr: float = 3e-3
    trunk_lr: float = 3e-4
    credit: Credit = "paper"
    baseline: Baseline = "leave_one_out"
    optimizer: Optimizer = "adam"
    accumulate: int = 1
    micro_batch: int | None = None
    precision: Precision = "float32"
    heads: Heads = "both"
    exploration: float = 0.95
    final_exploration: float = 0.95
    entropy: float = 0.15
    final_entropy: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        for name, kind in _CHOICES.items():
            if getattr(self, name) not in get_args(kind):
                expected = ", ".join(get_args(kind))
                raise InputError(f"unknown {name} {getattr(self, name)!r}: expected one of {expected}")
        check_exploration(self)
        for name in ("batch_size", "joint_batch_size", "samples", "accumulate", "micro_batch"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: expected at least 1")
        if self.baseline == "leave_one_out" and self.samples < 2:
            raise InputError("baseline='leave_one_out' needs samples of at least 2")
