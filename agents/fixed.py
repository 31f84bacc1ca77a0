"""Reference policies by name: the same mask for every clip, or masks drawn without looking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.agents.agent import Agent
from ada3d_gym.agents.blind import BlindAgent, TuningOptions
from ada3d_gym.agents.reference import Blind, Fixed, Random, probabilities
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.masks import read_mask, split_mask
from ada3d_gym.networks.selection import Aggregation
from ada3d_gym.seeding import Stream, spawn


class Upper(Agent):
    """Keeps everything: the paper's Upper."""

    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        return np.tile(self.portable(), (len(observations), 1))

    def portable(self) -> NDArray[np.int8]:
        return Fixed.upper(self.bandit.num_frames, self.bandit.num_stages).mask


@dataclass(frozen=True)
class PretrainedOptions:
    """Of the trunk; see `ada3d_gym.agents.ada3d.Ada3DOptions`."""

    weights: str | None = None
    aggregation: Aggregation = "concat"


class Pretrained(Upper):
    """Keeps everything; its run pre-trains classifier and selection trunk, which other runs then share."""

    Options = PretrainedOptions


@dataclass(frozen=True)
class UniformOptions:
    """A budget.

    Attributes:
        frames: kept ones, evenly spread; all by default.
        stages: numbers of the stages that stay 3D, from 0; none by default, the paper's 2D network.
    """

    frames: int | None = None
    stages: tuple[int, ...] = ()


class Uniform(Agent):
    """Evenly spread frames and the same stages for every clip."""

    Options = UniformOptions

    def __init__(self, bandit: ClipBandit, options: UniformOptions, *, seed: int = 0, device: str = "cpu"):
        super().__init__(bandit, options, seed=seed, device=device)
        beyond = [stage for stage in options.stages if not 0 <= stage < bandit.num_stages]
        if beyond:
            raise InputError(f"stages={list(options.stages)}: expected numbers from 0 to {bandit.num_stages - 1}")
        v = np.isin(np.arange(bandit.num_stages), options.stages)
        frames = bandit.num_frames if options.frames is None else options.frames
        self._policy = Fixed.spread(frames, bandit.num_frames, v)

    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        return self._policy.act(observations)

    def portable(self) -> NDArray[np.int8]:
        return self._policy.mask


@dataclass(frozen=True)
class FixedOptions(TuningOptions):
    """The mask; with `joint_epochs`, the classifier is fine-tuned under it (Fixed FT).

    Attributes:
        mask: T + K zeros and ones, frames first, as "0101010100011"; everything is kept by default.
    """

    mask: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mask is not None and set(self.mask) - set("01"):
            raise InputError(f"mask={self.mask!r}: expected zeros and ones")


class FixedMask(BlindAgent):
    """A mask of one's choice, the same for every clip."""

    Options = FixedOptions
    stream = Stream.FIXED_FT

    def __init__(self, bandit: ClipBandit, options: FixedOptions, *, seed: int = 0, device: str = "cpu"):
        super().__init__(bandit, options, seed=seed, device=device)
        frames, stages = bandit.num_frames, bandit.num_stages
        text = "1" * (frames + stages) if options.mask is None else options.mask
        self._policy = Fixed(*split_mask(read_mask(text, frames, stages), frames, stages))

    def blind_policy(self) -> Blind:
        return self._policy

    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        return self._policy.act(observations)

    def portable(self) -> NDArray[np.int8]:
        return self._policy.mask


@dataclass(frozen=True)
class RandomOptions(TuningOptions):
    """A usage; with `joint_epochs`, the classifier is fine-tuned under such masks (the paper's Random FT).

    Attributes:
        frames: kept on average, every subset of a size being as likely as any other and never none; or a probability
            for each frame.
        stages: probability of each stage, or one for all.
    """

    frames: float | tuple[float, ...] = 4.0
    stages: float | tuple[float, ...] = 0.5


class RandomMasks(BlindAgent):
    """The paper's Random: masks that look at nothing, of a given usage."""

    Options = RandomOptions
    stream = Stream.RANDOM_FT

    def __init__(self, bandit: ClipBandit, options: RandomOptions, *, seed: int = 0, device: str = "cpu"):
        super().__init__(bandit, options, seed=seed, device=device)
        self._policy = self._drawn_from(spawn(seed, Stream.RANDOM))

    def _drawn_from(self, stream: np.random.SeedSequence) -> Random:
        num_frames, given = self.bandit.num_frames, self.options.frames
        frames = np.asarray(given, np.float64) if isinstance(given, tuple) else given
        if isinstance(frames, np.ndarray) and (
            frames.shape != (num_frames,) or not ((frames >= 0) & (frames <= 1)).all()
        ):
            raise InputError(f"frames={given}: expected a mean, or {num_frames} probabilities")
        stages = probabilities(self.options.stages, self.bandit.num_stages, "stages")
        return Random(frames, stages, num_frames, stream)

    def blind_policy(self) -> Blind:
        """Another one than `act` draws from, since it is seeded anew for each epoch."""
        return self._drawn_from(spawn(self.seed, Stream.RANDOM_FT))

    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        return self._policy.act(observations)
