"""The search for the mask that is best for all clips alike, and for the best at each number of operations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym import parallel
from ada3d_gym.agents.blind import BlindAgent, TuningOptions
from ada3d_gym.agents.reference import Blind, Fixed
from ada3d_gym.bandit import ClipBandit, Outcome
from ada3d_gym.envs.codings import spread
from ada3d_gym.errors import InputError
from ada3d_gym.files import replacing
from ada3d_gym.masks import all_masks, mask_text, split_mask
from ada3d_gym.outcomes.oracle import first_best
from ada3d_gym.outcomes.storage import TableError
from ada3d_gym.progress import Progress
from ada3d_gym.protocols import ClipAnswers
from ada3d_gym.seeding import Stream, spawn

CONSTANTS = "constants.json"  # in a run's folder
EXHAUSTIVE_BITS = 16  # all masks of so many bits are tried
BUCKETS = 24  # of MACs
ROUNDS = 4
KEEP, GROWTH = 16, 4  # one candidate in sixteen goes on, to be judged on four times as many clips
LEAST = 3  # of each bucket go on
KNOWN_BATCH = 2**16  # pulls of an outcome table at a time


@dataclass(frozen=True)
class Constant:
    """A mask for all clips alike, as judged on training clips.

    Attributes:
        mask: T + K zeros and ones.
        reward: mean.
        accuracy: share of correct clips, in [0, 1].
        macs: of the classifier for a clip.
        clips: how many it was judged on.
    """

    mask: str
    reward: float
    accuracy: float
    macs: int
    clips: int


def read_constants(folder: Path) -> list[Constant]:
    """The front that `BestFixed.export` wrote in a run's folder, by rising MACs.

    Raises:
        InputError: where there is none.
    """
    return [Constant(**each) for each in _read(folder)["front"]]


def read_best(folder: Path) -> Constant:
    """The mask that pays best, of the same file.

    Raises:
        InputError: where there is none.
    """
    return Constant(**_read(folder)["best"])


def _read(folder: Path) -> dict[str, Any]:
    path = folder / CONSTANTS
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        for each in (found["best"], *found["front"]):
            Constant(**each)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: no front of constant masks ({error}): delete {folder}, and start the command again"
        ) from error
    return found


@dataclass(frozen=True)
class BestFixedOptions(TuningOptions):
    """The search; with `joint_epochs`, the classifier is then fine-tuned under the mask found (Fixed FT).

    Attributes:
        clips: training clips that all candidates are judged on in the first round; on an outcome table, all.
        batch_size: pulls at a time; on an outcome table, many more.
        regular: try `regular_frames` alone, however few bits there are: a quarter of the pulls of the first round.
    """

    clips: int = 4
    batch_size: int = 256
    regular: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("clips", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: expected at least 1")


def candidates(num_frames: int, num_stages: int, regular: bool = False) -> NDArray[np.int8]:
    """The masks (N, T + K) that the search tries."""
    every = num_frames + num_stages <= EXHAUSTIVE_BITS and not regular
    frames, stages = all_masks(num_frames, 0)[1:] if every else regular_frames(num_frames), all_masks(0, num_stages)
    return np.concatenate([np.repeat(frames, len(stages), 0), np.tile(stages, (len(frames), 1))], 1)


def regular_frames(num_frames: int) -> NDArray[np.int8]:
    """Frame masks (N, T) of frames at equal distances, from any first to any last, and of evenly spread ones.

    Each once, by rising number: a burst sees fast motions, and frames far apart see slow ones and the whole clip.
    """
    chosen = {tuple(range(first, last + 1, step)) for step, first, last in _progressions(num_frames)}
    chosen |= {tuple(spread(num_frames, kept).tolist()) for kept in range(1, num_frames + 1)}
    masks = np.zeros((len(chosen), num_frames), np.int8)
    for row, frames in zip(masks, sorted(chosen, key=lambda each: (len(each), each)), strict=True):
        row[list(frames)] = 1
    return masks


def _progressions(num_frames: int) -> Iterator[tuple[int, int, int]]:
    """Distance, first and last frame."""
    for step in range(1, num_frames + 1):
        for first in range(num_frames):
            for last in range(first, num_frames, step):
                yield step, first, last


class BestFixed(BlindAgent):
    """The best mask that is the same for every clip, by reward on the training videos.

    Candidates are all 2^T - 1 frame masks with all 2^K stage masks where T + K is at most 16 (8,160 of 8 frames and 5
    stages); beyond, `regular_frames` with every stage mask (10,912 of 16 frames and 5 stages). They are judged in four
    rounds, an epoch each: the best sixteenth by reward goes on to four times as many clips, and with it, for the front,
    the most accurate sixteenth (at least three) of each of 24 buckets of MACs, in equal ratios from the cheapest mask
    to everything. Where as many clips were correct, the probability of the right class decides. All candidates of a
    round see the same clips, of as many classes as possible. At 8 frames and 5 stages that is some 75,000 pulls.

    Few clips find a good mask, not the best: on MotionShapes the default of 4 ends at a mean reward of 0.43 to 0.56,
    the best mask has 0.75, and 32 clips found that with each of five seeds. On an outcome table, the first round
    judges all candidates on a clip of every video, and the result is exact.
    """

    Options = BestFixedOptions
    feedback = "full"
    search_epochs = ROUNDS
    stream = Stream.FIXED_FT

    def __init__(self, bandit: ClipBandit, options: BestFixedOptions, *, seed: int = 0, device: str = "cpu"):
        super().__init__(bandit, options, seed=seed, device=device)
        frames, stages = bandit.num_frames, bandit.num_stages
        self.masks = candidates(frames, stages, options.regular)
        self.macs_of = bandit.classifier.macs(*split_mask(self.masks, frames, stages))
        self.left = np.arange(len(self.masks))
        # of each candidate, sums over all clips so far; those left have all been judged on the same
        self._sums = {name: np.zeros(len(self.masks)) for name in ("reward", "correct", "confidence")}
        self.judged_on = 0
        ratio = np.log(self.macs_of / self.macs_of.min()) / np.log(self.macs_of.max() / self.macs_of.min())
        self._bucket = np.minimum((ratio * BUCKETS).astype(np.int64), BUCKETS - 1)

    @property
    def mask(self) -> NDArray[np.int8]:
        """The mask (T + K,) with the highest reward so far."""
        best: NDArray[np.int8] = self.masks[self._best]
        return best

    @property
    def _best(self) -> int:
        return int(self.left[first_best(self._sums["reward"][self.left])])

    @property
    def front(self) -> list[Constant]:
        """The most accurate mask of each bucket of MACs that has any, and that which keeps everything."""
        best = [rows[0] for rows in self._ranked_buckets()]
        everything = int(self.macs_of.argmax())
        return [self._constant(row) for row in sorted({*best, everything}, key=lambda row: int(self.macs_of[row]))]

    def blind_policy(self) -> Blind:
        return Fixed(*split_mask(self.mask, self.bandit.num_frames, self.bandit.num_stages))

    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        return np.tile(self.mask, (len(observations), 1))

    def portable(self) -> NDArray[np.int8]:
        return self.mask

    def train_epoch(self) -> dict[str, float]:
        return self._search_round() if self.epoch < ROUNDS else super().train_epoch()

    def _search_round(self) -> dict[str, float]:
        if not self._knows_all:
            clips = self._clips(self.options.clips * GROWTH**self.epoch)
            self._pull(clips, self.options.batch_size)
            self.judged_on += len(clips)
        elif not self.judged_on:
            clips = self._clips(len(self.bandit.source))
            self._pull(clips, KNOWN_BATCH)
            self.judged_on = len(clips)
        by_reward = self.left[(-self._sums["reward"][self.left].round(9)).argsort(kind="stable")]  # ties stay in order
        best = float(self._sums["reward"][by_reward[0]] / self.judged_on)
        if self.epoch + 1 < ROUNDS:
            everything = np.array([self.macs_of.argmax()])  # what the front's accuracies are compared with
            kept = [by_reward[: -(-len(by_reward) // KEEP)], everything]
            kept += [rows[: max(LEAST, -(-len(rows) // KEEP))] for rows in self._ranked_buckets()]
            self.left = np.unique(np.concatenate(kept))
        return {"candidates": float(len(self.left)), "clips": float(self.judged_on), "reward": best}

    def _ranked_buckets(self) -> list[NDArray[np.int64]]:
        """The candidates left in each bucket that has any, the most accurate first."""
        left, sums = self.left, self._sums
        order = left[np.lexsort((-sums["confidence"][left], -sums["correct"][left]))]
        return [order[self._bucket[order] == bucket] for bucket in np.unique(self._bucket[left])]

    def _clips(self, count: int) -> NDArray[np.int64]:
        """Clips of different videos, of each class in turn."""
        order = self.bandit.epoch(np.random.default_rng(spawn(self.seed, Stream.BEST_FIXED, self.epoch)))
        labels = self.bandit.source.labels(order)
        turn = np.empty(len(order), np.int64)
        for label in np.unique(labels):
            turn[labels == label] = np.arange((labels == label).sum())
        return self.bandit.usable(order[turn.argsort(kind="stable")][:count])

    @property
    def _knows_all(self) -> bool:
        return isinstance(self.bandit.classifier, ClipAnswers)

    def _pull(self, clips: NDArray[np.int64], size: int) -> None:
        """Judges all candidates left on clips; a batch holds many masks of few clips, which are then decoded once.

        Of several processes, each pulls every so manieth batch, and all get the sums of all.
        """
        bandit, total = self.bandit, len(self.left) * len(clips)
        name, quiet = f"best fixed mask, round {self.epoch + 1} of {ROUNDS}", parallel.rank() > 0
        first = parallel.rank() == 0
        sums = {key: before if first else np.zeros_like(before) for key, before in self._sums.items()}
        mine = range(parallel.rank() * size, total, parallel.world() * size)
        with Progress(len(mine) * size, name, "mask", quiet=quiet, repeated=True) as shown:  # of one clip each
            for start in mine:
                places, which = np.divmod(np.arange(start, min(start + size, total)), len(self.left))
                rows = self.left[which]
                u, v = split_mask(self.masks[rows], bandit.num_frames, bandit.num_stages)
                outcome = bandit.pull(clips[places], u, v)
                confidence = self._confidence(outcome)
                paid = {"reward": outcome.reward, "correct": outcome.correct, "confidence": confidence}
                for key, values in paid.items():
                    np.add.at(sums[key], rows, values)
                shown.add(size)
        parts = parallel.gather(sums)
        self._sums = {key: sum((part[key] for part in parts[1:]), parts[0][key]) for key in sums}

    def _confidence(self, outcome: Outcome) -> NDArray[np.floating]:
        """Of the labels (B,); of an outcome table that lacks it, zero: the first mask then decides."""
        assert outcome.answers is not None
        if not self._knows_all:
            confidence: NDArray[np.floating] = (outcome.scores * outcome.answers.targets).sum(1)
            return confidence
        try:
            return outcome.answers.label_probability
        except TableError:
            return np.zeros(len(outcome.correct))

    def _constant(self, row: int) -> Constant:
        count = max(self.judged_on, 1)
        reward, accuracy = (float(self._sums[key][row]) / count for key in ("reward", "correct"))
        text, macs = mask_text(self.masks[row]), int(self.macs_of[row])
        return Constant(text, round(reward, 4), round(accuracy, 4), macs, self.judged_on)

    def export(self, folder: Path) -> list[Path]:
        """`constants.json`: the best mask by reward, and the front."""
        best = self._constant(self._best)
        path = folder / CONSTANTS
        with replacing(path) as part:
            part.write_text(
                json.dumps({"best": asdict(best), "front": [asdict(each) for each in self.front]}, indent=1)
            )
        return [path]

    def state_dict(self) -> dict[str, Any]:
        sums = {key: torch.from_numpy(values.copy()) for key, values in self._sums.items()}
        return super().state_dict() | {
            "left": torch.from_numpy(self.left.copy()),
            "judged_on": self.judged_on,
            "sums": sums,
        }

    def load_policy_state(self, state: dict[str, Any]) -> None:
        super().load_policy_state(state)
        self.left, self.judged_on = state["left"].numpy(), state["judged_on"]
        self._sums = {key: values.numpy().copy() for key, values in state["sums"].items()}
