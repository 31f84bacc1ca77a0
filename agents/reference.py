"""Policies that look at nothing: the paper's baselines and fixed masks."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ada3d_gym import parallel
from ada3d_gym.agents.agent import Agent, OnEpoch
from ada3d_gym.agents.figures import Meter
from ada3d_gym.agents.midway import Kept, Midway
from ada3d_gym.agents.progress import epoch_batches
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.divergence import check_state, during
from ada3d_gym.envs.codings import spread
from ada3d_gym.errors import InputError
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.masks import join_mask, split_mask
from ada3d_gym.networks.macs import MacCounter
from ada3d_gym.protocols import Ids
from ada3d_gym.seeding import CallStreams, Stream, spawn

Bits = NDArray[np.bool_]


class Blind(Kept, Protocol):
    """A policy that looks at nothing, as a classifier can be trained under its masks; its state is of what it draws."""

    def reseed(self, seed: int | np.random.SeedSequence) -> None:
        """Starts the draws afresh."""

    def draw(self, count: int) -> NDArray[np.int8]:
        """Masks (count, T + K) for as many clips, the same in every process."""


class Fixed:
    """The same mask for every clip; `Fixed.upper` keeps everything (the paper's Upper)."""

    def __init__(self, u: Bits, v: Bits):
        self.mask = join_mask(u, v)

    @classmethod
    def upper(cls, num_frames: int, num_stages: int) -> Fixed:
        return cls(np.ones(num_frames, np.bool_), np.ones(num_stages, np.bool_))

    @classmethod
    def spread(cls, frames: int, num_frames: int, v: Bits) -> Fixed:
        """`frames` evenly spread frames out of `num_frames`, and stage mask v."""
        if not 1 <= frames <= num_frames:
            raise InputError(f"frames={frames}: expected 1 to {num_frames}")
        u = np.zeros(num_frames, np.bool_)
        u[spread(num_frames, frames)] = True
        return cls(u, v)

    def act(self, observations: NDArray[np.uint8]) -> NDArray[np.int8]:
        return self.draw(len(observations))

    def draw(self, count: int) -> NDArray[np.int8]:
        """The mask (count, T + K) for as many clips."""
        return np.tile(self.mask, (count, 1))

    def reseed(self, seed: int | np.random.SeedSequence) -> None:
        """Nothing is drawn."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing is drawn."""


class Random:
    """Masks drawn without looking, matched to a given usage (the paper's Random).

    A clip keeps `frames` frames on average (the two whole numbers around it, in proportion), any subset being as likely
    as any other, and never none; each stage is on with its own probability.

    Args:
        frames: mean number of kept frames, from 1 to `num_frames`; or a probability (T,) of each, and then there may be
            clips without any.
        stages: probability (K,) of each stage.
        num_frames: T.
        seed: of the draws.
    """

    def __init__(
        self,
        frames: float | NDArray[np.float64],
        stages: NDArray[np.float64],
        num_frames: int,
        seed: int | np.random.SeedSequence,
    ):
        if not isinstance(frames, np.ndarray) and not 1 <= frames <= num_frames:
            raise InputError(f"frames={frames}: expected a mean of 1 to {num_frames} kept frames")
        self.frames, self.stages, self.num_frames = frames, stages, num_frames
        self.reseed(seed)

    def reseed(self, seed: int | np.random.SeedSequence) -> None:
        sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
        self._rng, self._calls = np.random.default_rng(sequence), CallStreams(sequence)

    def act(self, observations: NDArray[np.uint8]) -> NDArray[np.int8]:
        """Masks (B, T + K); of several processes that judge together, each draws those of its own batches."""
        return self._draw(len(observations), np.random.default_rng(self._calls.next()))

    def draw(self, count: int) -> NDArray[np.int8]:
        """Masks (count, T + K) for as many clips, the same in every process."""
        return self._draw(count, self._rng)

    def state_dict(self) -> dict[str, Any]:
        """Where `draw` is in its stream."""
        return self._rng.bit_generator.state  # type: ignore[return-value]

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._rng.bit_generator.state = state

    def _draw(self, count: int, rng: np.random.Generator) -> NDArray[np.int8]:
        if isinstance(self.frames, np.ndarray):
            u = rng.random((count, self.num_frames)) < self.frames
        else:
            kept = np.floor(self.frames + rng.random(count))
            u = rng.random((count, self.num_frames)).argsort(1) < kept[:, None]
        return join_mask(u, rng.random((count, len(self.stages))) < self.stages)


def probabilities(given: float | tuple[float, ...], count: int, name: str) -> NDArray[np.float64]:
    """Of `count` bits (count,), given as one for all or one for each; `name` is the option's, for errors."""
    chances = np.asarray(given, np.float64)
    if chances.shape not in ((), (count,)) or not ((chances >= 0) & (chances <= 1)).all():
        raise InputError(f"{name}={given}: expected a probability, or {count} of them")
    return np.broadcast_to(chances, (count,))


def matched_random(
    u: Bits, v: Bits, macs: MacCounter, seed: int | np.random.SeedSequence, *, more: float = 0.0
) -> Random:
    """A random policy that spends the MACs of the masks u (N, T) and v (N, K), and `more` a clip.

    Every stage is on as often as in v. A learned policy that switches stages on where it keeps many frames spends more
    than the product of its means, so the mean number of frames is solved for, and may be a little above that of u.
    Where all frames do not spend as much, all stages are on more often, by the same share of what they are off.
    """
    num_frames, stages = u.shape[1], v.mean(0)
    spent = macs(u, v).mean() + more - macs.head
    frames = float(np.clip(spent / (macs.frame + stages @ macs.stage), 1, num_frames))
    off = (1 - stages) @ macs.stage
    if frames == num_frames and off > 0:
        left = spent / num_frames - macs.frame - stages @ macs.stage
        stages = stages + min(max(left / off, 0.0), 1.0) * (1 - stages)
    return Random(frames, stages, num_frames, seed)


class RandomFineTuning:
    """Random FT, Fixed FT: the classifier trained under masks that stay as they are, as the joint phase trains it.

    Args:
        bandit: whose classifier is trained.
        policy: where masks come from: one that looks at nothing, or an agent, which looks at the clips.
        trainer: of that classifier.
        epochs, batch_size, seed: as in the joint phase it is compared with.
        name: for the progress bar.
        stream: where the order of clips and the masks are drawn from.
        midway: of its epochs; its own by default.
    """

    def __init__(
        self,
        bandit: ClipBandit,
        policy: Blind | Agent,
        trainer: ClassifierTrainer,
        epochs: int,
        batch_size: int,
        seed: int,
        name: str = "Random FT",
        *,
        stream: Stream = Stream.RANDOM_FT,
        midway: Midway | None = None,
    ):
        self.bandit, self.policy, self.trainer = bandit, policy, trainer
        self.epochs, self.batch_size, self.seed, self.name = epochs, batch_size, seed, name
        self.stream = stream
        self.epoch, self.midway = 0, midway or Midway()

    def learn(self, until: int, on_epoch: OnEpoch) -> None:
        """Trains up to epoch `until`; `on_epoch` gets the number of epochs done and the last one's figures."""
        while self.epoch < until:
            figures = self.train_epoch()
            with during(self.name, self.epoch + 1):
                check_state(self.state_dict())
            self.epoch += 1
            on_epoch(self.epoch, figures)

    def train_epoch(self) -> dict[str, float]:
        """Trains one epoch, number `epoch` from 0; returns its figures by name."""
        source = self.bandit.source
        order, draws = (spawn(self.seed, self.stream, self.epoch, part) for part in range(2))
        ids, meter = self.bandit.epoch(np.random.default_rng(order)), Meter()
        kept: dict[str, Kept] = {"meter": meter}
        if not isinstance(self.policy, Agent):
            self.policy.reseed(draws)
            kept["draws"] = self.policy
        begun = self.midway.begin(**kept)
        batches = epoch_batches(source, ids, self.batch_size, self.name, self.epoch, self.epochs, done=begun)
        for step, (done, size, batch) in enumerate(batches, start=begun + 1):
            u, v = split_mask(self._masks(batch, size), self.bandit.num_frames, self.bandit.num_stages)
            self.trainer.set_progress((self.epoch + done) / self.epochs)
            with during(self.name, self.epoch + 1, step):
                meter.add(classifier_loss=self.trainer.step(source.clips(batch), u, v, source.targets(batch)))
            self.midway.updated(step)
        self.midway.end()
        return meter.means()

    def _masks(self, ids: Ids, whole: int) -> NDArray[np.int8]:
        """Of this process's clips of a batch of `whole`."""
        if isinstance(self.policy, Agent):
            masks: NDArray[np.int8] = self.policy.act(self.bandit.observer(ids))
            return masks
        return self.policy.draw(whole)[parallel.rows(whole)]

    def state_dict(self) -> dict[str, Any]:
        midway = self.midway.state_dict()
        return {"epoch": self.epoch, "trainer": self.trainer.state_dict()} | ({"midway": midway} if midway else {})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch = state["epoch"]
        self.trainer.load_state_dict(state["trainer"])
        self.midway.load_state_dict(state.get("midway", {}))
