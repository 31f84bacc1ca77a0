"""References for clip selection that learn nothing: uniform clips, random ones, an early exit, and one that cheats.

All but the last predict by the mean of the looked-at clips' class probabilities, as the paper does without AdaFrame;
none reads the memory, so none pays for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.agents.looking import places
from ada3d_gym.agents.looking.stopping import Stopping, never
from ada3d_gym.errors import InputError
from ada3d_gym.seeding import Stream, spawn
from ada3d_gym.untrimmed.protocols import Looked, VideoLooks, nearest_place


@dataclass(frozen=True)
class Uniform:
    """Clips in the middles of `count` equal parts of each video: the paper's "vanilla"."""

    count: int

    def look(self, looks: VideoLooks, videos: NDArray[np.int64]) -> Looked:
        at = nearest_place(places.uniform(_checked(self.count, looks)), looks.places)
        return looks_in_order(looks, videos, np.tile(at, (len(videos), 1)))


@dataclass(frozen=True)
class RandomPlaces:
    """`count` different places of each video; a video's are the same whatever others it is judged with."""

    count: int
    seed: int = 0

    def look(self, looks: VideoLooks, videos: NDArray[np.int64]) -> Looked:
        count = _checked(self.count, looks)
        draws = (np.random.default_rng(spawn(self.seed, Stream.RANDOM_PLACES, int(video))) for video in videos)
        at = [draw.choice(looks.places, count, replace=False) for draw in draws]
        return looks_in_order(looks, videos, np.array(at, np.int64).reshape(len(videos), count))


@dataclass(frozen=True)
class EarlyExit:
    """The clips of `Uniform`, those in the middle first, until the mean's highest probability is at least a threshold.

    Attributes:
        count: the most looks.
        stopping: `Confidence(threshold)`.
    """

    count: int
    stopping: Stopping

    def look(self, looks: VideoLooks, videos: NDArray[np.int64]) -> Looked:
        at = nearest_place(places.spread(_checked(self.count, looks)), looks.places)
        return looks_in_order(looks, videos, np.tile(at, (len(videos), 1)), self.stopping)


@dataclass(frozen=True)
class Oracle:
    """Knows the label, and looks once, where it is likeliest: what one perfectly chosen clip of each video is worth."""

    def look(self, looks: VideoLooks, videos: NDArray[np.int64]) -> Looked:
        rows, labels = np.arange(len(videos)), looks.labels(videos)
        chance = [looks.at(videos, np.full(len(videos), at)).scores[rows, labels] for at in range(looks.places)]
        return looks_in_order(looks, videos, np.argmax(chance, 0)[:, None])


def looks_in_order(
    looks: VideoLooks, videos: NDArray[np.int64], at: NDArray[np.int64], stopping: Stopping = never
) -> Looked:
    """Looks at the places (B, K) of videos (B,) in their order until a rule stops; scores are the means so far."""
    count = len(videos)
    macs, seen_at = np.zeros(count, np.int64), np.full(at.shape, -1, np.int64)
    total = np.zeros((count, len(looks.class_names)), np.float32)
    scores, watch, going = np.zeros_like(total), stopping(count), np.arange(count)
    for number in range(at.shape[1]):
        seen_at[going, number] = at[going, number]
        look = looks.at(videos[going], at[going, number])
        macs[going] += look.macs
        total[going] += look.scores
        scores[going] = total[going] / (number + 1)
        going = going[~watch(scores, np.zeros(count, np.float32))[going]]
    return Looked(scores, seen_at, macs)


def _checked(count: int, looks: VideoLooks) -> int:
    if not 1 <= count <= looks.places:
        raise InputError(f"count={count}: expected 1 to {looks.places}, as many places as these videos have")
    return count
