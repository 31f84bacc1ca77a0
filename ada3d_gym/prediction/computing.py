"""Masks and scores of one batch of clips, and the time that they take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.masks import split_mask
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.prediction.policies import MaskPolicy
from ada3d_gym.prediction.results import WholeClip
from ada3d_gym.profiling import phase, timed
from ada3d_gym.turns import alternate

# Of everything that is timed beside the whole network; the median counts. Small batches take more turns.
LEAST_TURNS, MOST_TURNS, SECONDS = 3, 15, 1.0
Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Computed:
    """One clip.

    Attributes:
        u, v: its masks (T,) and (K,).
        scores: (C,) class probabilities; zeros where u keeps no frame.
        macs: of the classifier.
        milliseconds: of "selection" and "classifier".
        whole: the whole network, where that was asked for.
    """

    u: Bits
    v: Bits
    scores: NDArray[np.float32]
    macs: int
    milliseconds: dict[str, float]
    whole: WholeClip | None = None


class Computing:
    """A classifier and a policy.

    Attributes:
        macs_whole: multiply-accumulates of the whole classifier on one clip.
        macs_selection: those of the policy's own network, 0 where it has none or does not say.
    """

    def __init__(self, classifier: NetworkClassifier, policy: MaskPolicy, num_frames: int):
        self._classifier, self._policy = classifier, policy
        self._frames, self._stages = num_frames, len(classifier.stage_names)
        self.macs_whole = int(classifier.macs(*self._everything(1))[0])
        self.macs_selection = int(getattr(policy, "macs", 0))
        self._warm = False

    def __call__(self, clips: NDArray[np.uint8], observations: NDArray[np.uint8], whole: bool) -> list[Computed]:
        """Each of the clips (B, T, 3, size, size), whose policy sees `observations`.

        Args:
            clips, observations: uint8.
            whole: compute the whole network too, and time both in turn, after a turn to warm up.
        """
        if not self._warm:  # forms for inference are made at the first call
            self._classifier.scores(clips[:1], *self._masks(observations[:1]))
            self._warm = True
        begin = time.perf_counter()
        u, v = self._masks(observations)
        chosen = time.perf_counter()
        scores = self._classifier.scores(clips, u, v)
        spent = {"selection": chosen - begin, "classifier": time.perf_counter() - chosen}
        macs = self._classifier.macs(u, v)
        wholes: list[WholeClip | None] = [None] * len(clips)
        if whole:
            everything = self._everything(len(clips))
            whole_scores = self._classifier.scores(clips, *everything)  # all have had a turn to warm up
            ways: dict[str, Callable[[], object]] = {
                "selection": lambda: self._masks(observations),
                "classifier": lambda: self._classifier.scores(clips, u, v),
                "whole": lambda: self._classifier.scores(clips, *everything),
            }
            turns = int(min(MOST_TURNS, max(LEAST_TURNS, SECONDS / (time.perf_counter() - begin))))
            with phase("timed"):
                taken = alternate(ways, turns, warm_up=0)
            spent = {name: float(np.median(seconds)) for name, seconds in taken.items()}
            wholes = [WholeClip(each, 1e3 * spent["whole"] / len(clips)) for each in whole_scores]
        selection = 1e3 * spent["selection"] / len(clips)
        shares = 1e3 * spent["classifier"] * macs / max(int(macs.sum()), 1)
        return [
            Computed(u[row], v[row], scores[row], int(macs[row]), _milliseconds(selection, shares[row]), wholes[row])
            for row in range(len(clips))
        ]

    @timed("selection", counted=1)
    def _masks(self, observations: NDArray[np.uint8]) -> tuple[Bits, Bits]:
        batch = (len(observations),)
        return split_mask(self._policy.act(observations), self._frames, self._stages, batch)

    def _everything(self, count: int) -> tuple[Bits, Bits]:
        return np.ones((count, self._frames), np.bool_), np.ones((count, self._stages), np.bool_)


def _milliseconds(selection: float, classifier: float) -> dict[str, float]:
    return {"selection": float(selection), "classifier": float(classifier)}
