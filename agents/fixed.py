"""Reference policies by name: the same mask for every clip, or masks drawn without looking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from ada3d_gym.agents.agent import Agent
from ada3d_gym.agents.reference import Fixed, Random, probabilities
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.envs.codings import MaskMenu
from ada3d_gym.errors import InputError
from ada3d_gym.masks import split_mask
from ada3d_gym.seeding import CallStreams, Stream, spawn


class Upper(Agent):
    """Keeps everything: the paper's Upper."""

    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        return Fixed.upper(self.bandit.num_frames, self.bandit.num_stages).act(observations)


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


@dataclass(frozen=True)
class RandomOptions:
    """A usage.

    Attributes:
        frames: kept on average, every subset of a size being as likely as any other and never none; or a probability
            for each frame.
        stages: probability of each stage, or one for all.
    """

    frames: float | tuple[float, ...] = 4.0
    stages: float | tuple[float, ...] = 0.5


class RandomMasks(Agent):
    """The paper's Random: masks that look at nothing, of a given usage."""

    Options = RandomOptions

    def __init__(self, bandit: ClipBandit, options: RandomOptions, *, seed: int = 0, device: str = "cpu"):
        super().__init__(bandit, options, seed=seed, device=device)
        frames = bandit.num_frames
        self._stages = probabilities(options.stages, bandit.num_stages, "stages")
        draws = spawn(seed, Stream.RANDOM)
        self._calls = CallStreams(draws)
        self._policy: Random | None = None
        if isinstance(options.frames, tuple):
            bits = np.asarray(options.frames, np.float64)
            if bits.shape != (frames,) or (bits < 0).any() or (bits > 1).any():
                raise InputError(f"frames={options.frames}: expected a mean, or {frames} probabilities")
            self._frames = bits
        else:
            self._policy = Random(options.frames, self._stages, frames, draws)

    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        if self._policy is not None:
            return self._policy.act(observations)
        chances = np.concatenate([self._frames, self._stages])
        rng = np.random.default_rng(self._calls.next())
        return (rng.random((len(observations), len(chances))) < chances).astype(np.int8)


@dataclass(frozen=True)
class BestFixedOptions:
    """The search.

    Attributes:
        clips: training clips that all candidates are judged on in the first round; twice as many in each further one.
        batch_size: pulls at a time.
    """

    clips: int = 8
    batch_size: int = 256

    def __post_init__(self) -> None:
        for name in ("clips", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: expected at least 1")


class BestFixed(Agent):
    """The best mask that is the same for every clip, by reward on the training videos.

    Successive halving: all candidates (evenly spread frames with every set of stages) are judged on the same few clips,
    the better half stays for twice as many further clips, and so on. A round is an epoch.
    """

    Options = BestFixedOptions

    def __init__(self, bandit: ClipBandit, options: BestFixedOptions, *, seed: int = 0, device: str = "cpu"):
        super().__init__(bandit, options, seed=seed, device=device)
        self.masks = MaskMenu(bandit.num_frames, bandit.num_stages, "spread").masks
        self.left = np.arange(len(self.masks))
        self._paid = np.zeros(len(self.masks))  # the sum over all clips so far
        self.total_epochs = int(np.ceil(np.log2(len(self.masks))))

    @property
    def mask(self) -> NDArray[np.int8]:
        """The best known mask (T + K,)."""
        best: NDArray[np.int8] = self.masks[self.left[self._paid[self.left].argmax()]]
        return best

    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        return np.tile(self.mask, (len(observations), 1))

    def train_epoch(self) -> dict[str, float]:
        order = self.bandit.epoch(np.random.default_rng(spawn(self.seed, Stream.BEST_FIXED, self.epoch)))
        clips = self.bandit.usable(order[: self.options.clips * 2**self.epoch])
        candidates = np.repeat(self.left, len(clips))
        paid = self._pull(np.tile(clips, len(self.left)), candidates)
        np.add.at(self._paid, candidates, paid / len(clips))
        keep = -(-len(self.left) // 2)
        self.left = self.left[(-self._paid[self.left]).argsort(kind="stable")[:keep]]
        return {"candidates": float(keep), "reward": float(paid.mean())}

    def _pull(self, ids: NDArray[np.int64], candidates: NDArray[np.int64]) -> NDArray[np.float64]:
        size, paid = self.options.batch_size, []
        name = f"best fixed mask, round {self.epoch + 1} of {self.total_epochs}"
        for start in tqdm(range(0, len(ids), size), desc=name, unit="batch", leave=False, disable=None):
            rows = slice(start, start + size)
            u, v = split_mask(self.masks[candidates[rows]], self.bandit.num_frames, self.bandit.num_stages)
            paid.append(self.bandit.pull(ids[rows], u, v).reward)
        return np.concatenate(paid)

    def state_dict(self) -> dict[str, Any]:
        left, paid = torch.from_numpy(self.left.copy()), torch.from_numpy(self._paid.copy())
        return {"epoch": self.epoch, "left": left, "paid": paid}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch, self.left, self._paid = state["epoch"], state["left"].numpy(), state["paid"].numpy()
