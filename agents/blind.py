"""Agents that train the classifier under masks that stay as they are, as those of policies that look at nothing."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from ada3d_gym.agents.agent import Agent
from ada3d_gym.agents.midway import Midway
from ada3d_gym.agents.reference import Blind, RandomFineTuning
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.seeding import Stream, spawn


@dataclass(frozen=True)
class TuningOptions:
    """How a classifier is fine-tuned under masks that stay as they are; the names are those of stage 2 of REINFORCE.

    Attributes:
        joint_epochs: of the classifier's training; none by default, and the classifier stays as it is.
        joint_batch_size: clips in one of its updates.
        classifier_lr: of its SGD at the start; a cosine takes it to zero.
        freeze_batch_norm, classifier_dropout: see `ada3d_gym.finetuning.ClassifierTrainer`.
    """

    joint_epochs: int = 0
    joint_batch_size: int = 32
    classifier_lr: float = 0.01
    freeze_batch_norm: bool = True
    classifier_dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.joint_batch_size < 1:
            raise InputError(f"joint_batch_size={self.joint_batch_size}: expected at least 1")
        if not 0 <= self.classifier_dropout < 1:
            raise InputError(f"classifier_dropout={self.classifier_dropout}: expected a probability, less than 1")


class TuningAgent(Agent):
    """Trains the classifier in its last `joint_epochs` epochs, under the masks of `tuned_for`.

    A subclass that searches for its masks first has `search_epochs` epochs before, and trains them itself.
    """

    data_parallel = True
    midway: Midway
    search_epochs: int = 0
    stream: Stream
    """Of the order of clips and the masks of the classifier's training."""

    def __init__(self, bandit: ClipBandit, options: TuningOptions, *, seed: int = 0, device: str = "cpu"):
        super().__init__(bandit, options, seed=seed, device=device)
        self.total_epochs = self.search_epochs + options.joint_epochs
        self.trainer: ClassifierTrainer | None = None
        self._tuning: RandomFineTuning | None = None
        self.midway = Midway()
        if options.joint_epochs:
            self.trainer = ClassifierTrainer(
                bandit.classifier,
                options.classifier_lr,
                freeze_batch_norm=options.freeze_batch_norm,
                dropout=options.classifier_dropout,
                seed=spawn(seed, Stream.DROPOUT, 1),
            )

    @abstractmethod
    def tuned_for(self) -> Blind | Agent:
        """Whose masks the classifier is trained under."""

    @property
    def phase(self) -> str:
        return "search" if self.epoch < self.search_epochs else "fine-tuning"

    def train_epoch(self) -> dict[str, float]:
        if self._tuning is None:
            options = self.options
            epochs, size, seed, name = options.joint_epochs, options.joint_batch_size, self.seed, "fine-tuning"
            policy, trainer = self.tuned_for(), self.trainer
            assert trainer is not None
            own: Any = {"stream": self.stream, "midway": self.midway}
            self._tuning = RandomFineTuning(self.bandit, policy, trainer, epochs, size, seed, name, **own)
        self._tuning.epoch = self.epoch - self.search_epochs
        return self._tuning.train_epoch()

    def state_dict(self) -> dict[str, Any]:
        midway = self.midway.state_dict()
        trainer = {"trainer": self.trainer.state_dict()} if self.trainer else {}
        return {"epoch": self.epoch} | trainer | ({"midway": midway} if midway else {})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.load_policy_state(state)
        if self.trainer is not None:
            self.trainer.load_state_dict(state["trainer"])
        self.midway.load_state_dict(state.get("midway", {}))

    def load_policy_state(self, state: dict[str, Any]) -> None:
        self.epoch = state["epoch"]


class BlindAgent(TuningAgent):
    """Its masks look at nothing: what it learns, if anything, is a classifier for them."""

    def tuned_for(self) -> Blind:
        return self.blind_policy()

    @abstractmethod
    def blind_policy(self) -> Blind:
        """Where masks for the classifier's training come from."""
