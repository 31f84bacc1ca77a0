"""What an agent is: anything that turns observations into masks, and may learn to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from numpy.typing import NDArray

from ada3d_gym import parallel
from ada3d_gym.agents.costs import backbone_macs
from ada3d_gym.agents.midway import Midway
from ada3d_gym.agents.portable import Portable
from ada3d_gym.agents.states import MissingState, load_state, save_state
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.divergence import check_state, during
from ada3d_gym.errors import InputError
from ada3d_gym.networks.checkpoints.weights import CheckpointError
from ada3d_gym.observers import Observation, shows_features

OnEpoch = Callable[[int, dict[str, float]], None]
"""Gets the number of epochs done and the last one's figures by name."""


class Policy(Protocol):
    """Something that acts."""

    def act(self, observations: NDArray[Any]) -> NDArray[Any]:
        """Flat masks (B, T + K) of zeros and ones for observations (B, …), as the bandit's observer shows them."""


@dataclass(frozen=True)
class NoOptions:
    """Of an agent that has none."""


class Agent(ABC):
    """A policy that is made by name, learns in epochs, and is saved and judged like any other.

    A subclass needs `act`. One that learns sets `total_epochs` and defines `train_epoch`, `state_dict` and
    `load_state_dict`. What it needs for an epoch besides its state it draws from streams of its seed and the epoch's
    number (`ada3d_gym.seeding.spawn`), and is then resumed after an interruption as if there had been none.

    Args:
        bandit: what it learns on.
        options: an instance of `Options`.
        seed: of everything random.
        device: where its networks run.

    Attributes:
        Options: dataclass of its options, each with a default; they come from YAML files and the command line.
        data_parallel: whether `train_epoch` can be run by several processes at once, see `ada3d_gym.parallel`.
        observation: what it is shown, unless a command says otherwise: "pixels", "features" or "index".
        epoch: epochs done.
        total_epochs: how many its options ask for.
        trunk_observation: what it is shown where it is to train the backbone of its network, too; None of an agent that
            has none, which is then shown `observation`.
        macs: multiply-accumulates of the networks that it chooses by, for one clip. Where it is shown features, it
            begins with those of the backbone that computes them; what an agent computes besides, it adds.
        midway: where `train_epoch` can go on from the middle of an epoch, see `ada3d_gym.agents.midway`; None where an
            epoch is repeated from its start.
        feedback: "bandit" where it learns from the masks that it tries; "full" where it looks up what all masks of a
            clip would have been paid, which takes an outcome table.

    Example:
        >>> import numpy as np
        >>> from ada3d_gym.agents import Agent
        >>> from ada3d_gym.agents.agent import NoOptions
        >>> from ada3d_gym.building import build_bandit
        >>> from ada3d_gym.evaluation import evaluate
        >>> class EverySecond(Agent):
        ...     def act(self, observations, deterministic=True):
        ...         return np.tile([1, 0, 1, 0, 1, 0, 1, 0] + [1, 1, 0, 0, 0], (len(observations), 1))
        >>> bandit = build_bandit(split="test", videos=14)
        >>> agent = EverySecond(bandit, NoOptions())
        >>> evaluate(bandit, agent.act).usage.frames
        4.0
    """

    Options: ClassVar[type] = NoOptions
    data_parallel: ClassVar[bool] = False
    observation: ClassVar[Observation] = "pixels"
    trunk_observation: ClassVar[Observation | None] = None
    feedback: ClassVar[Literal["bandit", "full"]] = "bandit"
    epoch: int = 0
    total_epochs: int = 0
    macs: int = 0
    midway: Midway | None = None

    def __init__(self, bandit: ClipBandit, options: Any, *, seed: int = 0, device: str = "cpu"):
        self.bandit, self.options, self.seed, self.device = bandit, options, seed, device
        if shows_features(bandit.observer) and self.observation == "features":
            self.macs = backbone_macs(bandit)  # so that nobody who forgets to count appears to choose for nothing

    @classmethod
    def shown(cls, options: Any) -> Observation:
        """What an agent of these options is shown, unless a command says otherwise."""
        return cls.observation

    @classmethod
    def milestones(cls, options: Any) -> dict[int, str]:
        """Epochs after which an agent of these options is judged before it goes on, and what it is called then."""
        return {}

    @property
    def phase(self) -> str:
        """What the next epoch belongs to, for messages."""
        return type(self).__name__

    @property
    def pulls_per_epoch(self) -> int | None:
        """Masks that it tries in an epoch of training; None where it cannot tell."""
        return None

    @abstractmethod
    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[Any]:
        """Flat masks (B, T + K) of zeros and ones for observations (B, …): the best known, or drawn as in training."""

    def learn(self, until: int, on_epoch: OnEpoch) -> None:
        """Trains up to epoch `until`; `on_epoch` gets the number of epochs done and the last one's figures.

        Raises:
            DivergedError: for an epoch after which something in `state_dict()` is not finite, or that finds out itself.
        """
        if until > self.total_epochs:
            raise InputError(f"until={until} is beyond the last of {self.total_epochs} epochs")
        if parallel.world() > 1 and until and not self.data_parallel:
            raise InputError(f"{type(self).__name__} trains in one process: start it without torchrun")
        if self.epoch < until:
            self.check_learning()
        kind = type(self)
        if kind.train_epoch is not Agent.train_epoch and kind.state_dict is Agent.state_dict:  # nothing would be saved
            raise InputError(f"{type(self).__name__} learns, and has no state_dict() to say what is to be saved")
        while self.epoch < until:
            figures = self.train_epoch()
            if not isinstance(figures, dict):
                expected = "its figures by their names, such as {'reward': 1.2}"
                raise InputError(f"{kind.__name__}.train_epoch() gave {type(figures).__name__}: expected {expected}")
            with during(self.phase, self.epoch + 1):
                check_state(self.state_dict())
            self.epoch += 1
            on_epoch(self.epoch, figures)

    def check_learning(self) -> None:  # noqa: B027 (nothing keeps most agents from it)
        """Raises InputError where it can act on its bandit, but not learn; called before anything is computed."""

    def train_epoch(self) -> dict[str, float]:
        """Trains one epoch, number `epoch` from 0; returns its figures by name."""
        raise NotImplementedError(f"{type(self).__name__} has {self.total_epochs} epochs and no train_epoch()")

    def state_dict(self) -> dict[str, Any]:
        """All that `learn` goes on from: tensors and plain values. NumPy arrays go through `torch.from_numpy`."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch = state["epoch"]

    def save(self, path: Path) -> None:
        """Writes the state, whole or not at all."""
        save_state(path, self.state_dict())

    def load(self, path: Path) -> None:
        """Reads what an agent of the same options saved; nothing in the file is ever run.

        Raises:
            CheckpointError: for a file that cannot be read.
        """
        _read(path, self.load_state_dict)

    def load_policy(self, path: Path) -> None:
        """Reads what `act` needs of what such an agent saved; the bandit's classifier stays as it is.

        So a trained policy is judged beside any classifier: `load` would put the training's own in its place.

        Raises:
            CheckpointError: for a file that cannot be read.
        """
        _read(path, self.load_policy_state)

    def load_policy_state(self, state: dict[str, Any]) -> None:
        """What `act` needs of a state; by default all but "trainer", where a trainer of the classifier has its own."""
        self.load_state_dict({key: value for key, value in state.items() if key != "trainer"})

    def portable(self) -> Portable | None:
        """What its best known masks come from, without the agent, so that a file can hold it; None by default.

        `ada3d predict` then needs neither the agent nor its data set. See `ada3d_gym.prediction.config.PolicyConfig`.
        """
        return None

    def export(self, folder: Path) -> list[Path]:
        """Writes what other programs can use of a trained agent, such as weights, and names it; none by default."""
        return []


def _read(path: Path, into: Callable[[dict[str, Any]], None]) -> None:
    if (state := load_state(path)) is None:
        raise MissingState(f"{path}: no such file; expected what save() wrote")
    try:
        into(state)
    except (KeyError, RuntimeError, ValueError) as error:  # what modules and optimizers raise for others' states
        raise CheckpointError(f"{path}: the state of another agent, or of other options ({error})") from error
