"""Randomness comes from seeds that are passed in, never from global state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
import torch

from ada3d_gym import parallel
from ada3d_gym.errors import InputError

_FIRST = 2**31  # above all numbers of epochs, with which agents of one's own may begin their keys


class Stream(IntEnum):
    """What in a run draws at random: the first number of its keys, so that no two parts ever draw the same.

    Numbers may be added at the end, but never change: a run's numbers hang on them.
    """

    CLASSIFIER = _FIRST
    """The classifier's training on whole clips."""
    DROPOUT = _FIRST + 1
    """Dropout of the classifier, in any training of it."""
    TRUNK_WEIGHTS = _FIRST + 2
    TRUNK_HEAD = _FIRST + 3
    """Weights of the layer that the trunk is pre-trained below."""
    TRUNK = _FIRST + 4
    """The trunk's pre-training."""
    SELECTION_WEIGHTS = _FIRST + 5
    REINFORCE = _FIRST + 6
    REINFORCE_ACT = _FIRST + 7
    """Masks that it draws but does not learn from."""
    OTHER_HEAD = _FIRST + 8
    """Masks for a head that is not learned, in training."""
    SB3_WEIGHTS = _FIRST + 9
    SB3 = _FIRST + 10
    SB3_CLASSIFIER = _FIRST + 11
    """Which clips of a rollout the classifier is fine-tuned on."""
    SB3_FIGURES = _FIRST + 12
    BEST_FIXED = _FIRST + 13
    RANDOM = _FIRST + 14
    """Masks of the random agent."""
    RANDOM_FT = _FIRST + 15
    RANDOM_MATCHED = _FIRST + 16
    """Random masks at a learned policy's usage, when they are judged."""
    OTHER_HEAD_JUDGED = _FIRST + 17
    FIXED_FT = _FIRST + 18
    """The classifier's training under one mask."""
    BANDIT = _FIRST + 19
    """Clips and choices of plain contextual bandits."""
    BANDIT_ACT = _FIRST + 20
    """Choices of theirs that they do not learn from."""
    BANDIT_TRUNK = _FIRST + 21
    """Layers without weights of the trunk below them."""
    BANDIT_WEIGHTS = _FIRST + 22
    """Their own networks."""
    TRANSFER = _FIRST + 40
    """The classifier's training under the masks of a policy from elsewhere."""
    ADAFRAME_WEIGHTS = _FIRST + 41
    ADAFRAME = _FIRST + 42
    """Orders of videos and drawn places of AdaFrame's training, by epoch."""
    RANDOM_PLACES = _FIRST + 43
    LOOKING_SB3 = _FIRST + 44
    """Weights and rollouts of Stable-Baselines3's algorithms that choose clips."""
    CLASSIFIER_WEIGHTS = _FIRST + 50
    CLASSIFIER_2D = _FIRST + 51
    """The classifier's training from scratch: every stage off."""
    CLASSIFIER_3D = _FIRST + 52
    SCRATCH_TRUNK = _FIRST + 53
    """The trunk's training beside it."""


def spawn(seed: int, *key: int) -> np.random.SeedSequence:
    """An independent stream for each `key` (a run's part as a `Stream`, an epoch, …) of one seed.

    Give each stream a key of its own rather than call the sequence's `spawn`: children of (seed, 1) are the streams
    (seed, 1, 0), (seed, 1, 1) and so on, which another part may take to be its own.

    Raises:
        InputError: for a seed below 0.
    """
    if seed < 0:
        raise InputError(f"seed={seed}: expected a whole number of at least 0")
    return np.random.SeedSequence(seed, spawn_key=key)


class CallStreams:
    """A stream for each call of a policy, or step of a training.

    Processes that judge a policy take its batches in turn, as `ada3d_gym.evaluation.evaluate` deals them out: each gets
    the streams of its own batches, so what is drawn does not depend on their number.

    Args:
        sequence: a stream with no other children: theirs are its key and the number of the call.

    Attributes:
        calls: how many there were; to go on after an interruption.
    """

    def __init__(self, sequence: np.random.SeedSequence):
        self._sequence, self.calls = sequence, 0

    def next(self) -> np.random.SeedSequence:
        """The stream of this process's next call."""
        number = self.calls * parallel.world() + parallel.rank()
        self.calls += 1
        return np.random.SeedSequence(self._sequence.entropy, spawn_key=(*self._sequence.spawn_key, number))


def torch_generator(sequence: np.random.SeedSequence, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator started from a NumPy seed sequence."""
    return torch.Generator(device).manual_seed(_integer(sequence))


@contextmanager
def torch_seed(sequence: np.random.SeedSequence, device: torch.device | str = "cpu") -> Iterator[None]:
    """Runs code that draws from torch's global generators (initial weights on a CPU, dropout on its device), then
    restores their state."""
    on = torch.device(device)
    with torch.random.fork_rng(devices=[on] if on.type == "cuda" else []):
        torch.default_generator.manual_seed(_integer(sequence))
        if on.type == "cuda":
            with torch.cuda.device(on):
                torch.cuda.manual_seed(_integer(sequence))
        yield


def _integer(sequence: np.random.SeedSequence) -> int:
    return int(sequence.generate_state(1, np.uint64)[0]) >> 1
