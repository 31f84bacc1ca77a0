"""What plain contextual bandit algorithms share: contexts of clips, epochs of pulls, state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ada3d_gym.agents.agent import Agent
from ada3d_gym.agents.clip_context import ClipContext
from ada3d_gym.agents.costs import policy_macs
from ada3d_gym.agents.figures import MaskWatch, Meter
from ada3d_gym.agents.progress import epoch_batches
from ada3d_gym.bandit import ClipBandit, Outcome
from ada3d_gym.divergence import during
from ada3d_gym.errors import InputError
from ada3d_gym.masks import join_mask, split_mask
from ada3d_gym.networks.selection import MaskLogits, greedy
from ada3d_gym.observers import Observation, shows_features
from ada3d_gym.profiling import section
from ada3d_gym.seeding import CallStreams, Stream, spawn

Masks = NDArray[np.int8]

KEPT_CLIPS = 2**16  # whose contexts are kept at the most
SHOWN = 256  # clips that are looked at together


class BanditOptions(Protocol):
    """See `ada3d_gym.agents.per_bit.PerBitOptions`."""

    @property
    def epochs(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def components(self) -> int: ...
    @property
    def weights(self) -> str | None: ...


class FeatureBandit(Agent):
    """Learns from what the masks paid that it chose itself: one pull a visit of a clip, and nothing else.

    A subclass calls `_count` when it is made, and defines how masks are chosen, explored and learned from, and
    `own_state` and `load_own_state`.
    """

    observation: ClassVar[Observation] = "features"

    def __init__(self, bandit: ClipBandit, options: BanditOptions, *, seed: int = 0, device: str = "cpu"):
        super().__init__(bandit, options, seed=seed, device=device)
        if not shows_features(bandit.observer):
            raise InputError(f"{type(self).__name__} learns from features of frames: give observation='features'")
        self.total_epochs, self._batch_size = options.epochs, options.batch_size
        self.context = ClipContext(bandit, options.components, options.weights, seed).to(device)
        self._kept: Tensor | None = None
        self._calls = CallStreams(spawn(seed, Stream.BANDIT_ACT))

    @property
    def progress(self) -> float:
        """Share of the training that is done, in whole epochs."""
        return self.epoch / self.total_epochs if self.total_epochs else 1.0

    @property
    def pulls_per_epoch(self) -> int:
        return len(self.bandit.source) // self.bandit.source.views

    @torch.no_grad()
    def act(self, observations: NDArray[np.float32], deterministic: bool = True) -> Masks:
        """Masks (B, T + K) for features (B, T, C): the best by what is known, or chosen as in training."""
        context = self.context(torch.from_numpy(observations).to(self.device))
        if deterministic:
            return self._best(context)
        return self._explore(context, self.progress, np.random.default_rng(self._calls.next()))

    def train_epoch(self) -> dict[str, float]:
        bandit, shape = self.bandit, (self.bandit.num_frames, self.bandit.num_stages)
        order, draws = (np.random.default_rng(spawn(self.seed, Stream.BANDIT, self.epoch, part)) for part in (0, 1))
        if self.epoch == 0:
            self._kept = None
            self.context.fit(bandit, np.random.default_rng(spawn(self.seed, Stream.BANDIT, 0, 2)))
        meter, watch = Meter(), MaskWatch(bandit.source)
        batches = epoch_batches(
            bandit.source,
            bandit.epoch(order),
            self._batch_size,
            self.phase,
            self.epoch,
            self.total_epochs,
            bandit.expect,
        )
        for number, (done, _, ids) in enumerate(batches, start=1):
            progress = (self.epoch + done) / self.total_epochs
            with section("selection", len(ids)), torch.no_grad():
                context = self._contexts(ids)
                masks = self._explore(context, progress, draws)
                watch.add(ids, *split_mask(self._best(context), *shape))
            outcome = bandit.pull(ids, *split_mask(masks, *shape))
            meter.add_outcome(outcome)
            with section("policy updates", len(ids)), during(self.phase, self.epoch + 1, number):
                meter.add(**self._learn(context, masks, outcome, progress, draws))
        return meter.means() | watch.figures()

    def _contexts(self, ids: NDArray[np.int64]) -> Tensor:
        """Of clips. They stay the same, so those of a training set that is small are computed once, in its order."""
        source = self.bandit.source
        if source.views > 1 or len(source) > KEPT_CLIPS:
            return self._shown(ids)
        if self._kept is None:
            every = self.bandit.usable(np.arange(len(source)))
            parts = [every[start : start + SHOWN] for start in range(0, len(every), SHOWN)]
            self._kept = torch.cat([self._shown(part) for part in parts])
        return self._kept[torch.from_numpy(ids).to(self.device)]

    def _shown(self, ids: NDArray[np.int64]) -> Tensor:
        context: Tensor = self.context(torch.from_numpy(self.bandit.observer(ids)).to(self.device))
        return context

    @abstractmethod
    def _best(self, context: Tensor) -> Masks:
        """Masks (B, T + K) that should pay most, for contexts (B, 1 + components)."""

    @abstractmethod
    def _explore(self, context: Tensor, progress: float, rng: np.random.Generator) -> Masks:
        """Masks (B, T + K) to learn from; progress is the share of the training that is done."""

    @abstractmethod
    def _learn(
        self, context: Tensor, masks: Masks, outcome: Outcome, progress: float, rng: np.random.Generator
    ) -> Mapping[str, float]:
        """Takes a batch of pulls in; returns figures of it."""

    def _count(self) -> None:
        """Sets `macs`."""
        self.macs = policy_macs(self.bandit, lambda shown: self._best(self.context(shown)), self.device)

    @abstractmethod
    def own_state(self) -> dict[str, Any]:
        """What `act` and learning need besides the context."""

    @abstractmethod
    def load_own_state(self, state: dict[str, Any]) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "context": self.context.state_dict(), **self.own_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch = state["epoch"]
        self.context.load_state_dict(state["context"])
        self._kept = None
        self.load_own_state(state)


def rewards_of(outcome: Outcome, like: Tensor) -> Tensor:
    """(B, 2), each head's, as `like` is stored."""
    return torch.from_numpy(np.stack([outcome.reward_frames, outcome.reward_stages], 1)).to(like)


def with_a_frame(advantages: Tensor, num_frames: int) -> Masks:
    """Masks (B, T + K) of the bits that should better be set (B, T + K).

    Where that is no frame, the one that comes nearest is kept: without any there is nothing to classify.
    """
    frames, stages = advantages.split([num_frames, advantages.shape[1] - num_frames], 1)
    u, v = greedy(MaskLogits(frames, stages))
    return join_mask(u.cpu().numpy(), v.cpu().numpy())


def check_bandit(options: BanditOptions) -> None:
    """Raises InputError for a batch of no clips, and for contexts of nothing."""
    for name in ("batch_size", "components"):
        if getattr(options, name) < 1:
            raise InputError(f"{name}={getattr(options, name)}: expected at least 1")
