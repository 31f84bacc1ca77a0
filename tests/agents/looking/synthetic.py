"""Long videos in memory: one part of each shows its class, and the memory shows where that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.untrimmed.protocols import Look

CLIP_MACS, MEMORY_MACS = 1_000, 100


@dataclass(frozen=True)
class SyntheticLooks:
    """V videos of P places; a clip costs `CLIP_MACS` plus the number of its place."""

    shown: NDArray[np.float32]  # (V, P, D)
    scores: NDArray[np.float32]  # (V, P, C)
    small: NDArray[np.float32]  # (V, M, E)
    classes: NDArray[np.int64]  # (V,)
    memory_macs: int = MEMORY_MACS
    whole_macs: int = 2 * CLIP_MACS

    @property
    def places(self) -> int:
        return self.shown.shape[1]

    @property
    def features(self) -> int:
        return self.shown.shape[2]

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(f"class {number}" for number in range(self.scores.shape[2]))

    @property
    def memory_shape(self) -> tuple[int, int]:
        return self.small.shape[1], self.small.shape[2]

    def __len__(self) -> int:
        return len(self.shown)

    def at(self, videos: NDArray[np.int64], places: NDArray[np.int64]) -> Look:
        ones = np.ones(len(videos), np.int64)
        return Look(self.shown[videos, places], self.scores[videos, places], CLIP_MACS + places, 8 * ones, 5 * ones)

    def memory(self, videos: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.small[videos]

    def labels(self, videos: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.classes[videos]

    def targets(self, videos: NDArray[np.int64]) -> NDArray[np.bool_]:
        return self.classes[videos][:, None] == np.arange(self.scores.shape[2])


def hidden_class(videos: int, seed: int, *, places: int = 21, classes: int = 4, width: int = 2) -> SyntheticLooks:
    """Videos whose class shows at 2 * width + 1 neighbouring places, around one that the memory marks."""
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=videos)
    middle = random.integers(width, places - width, size=videos)
    inside = np.abs(np.arange(places) - middle[:, None]) <= width  # (V, P)
    right = inside[:, :, None] & (labels[:, None, None] == np.arange(classes))
    shown = random.normal(0, 0.1, (videos, places, classes + 2)) + 2 * np.pad(right, ((0, 0), (0, 0), (0, 2)))
    scores = np.where(inside[:, :, None], np.where(right, 0.94, 0.06 / (classes - 1)), 1 / classes)
    memory = random.normal(0, 0.1, (videos, 16, 8))
    memory[np.arange(videos), np.rint(middle / (places - 1) * 15).astype(int), 7] += 3
    return SyntheticLooks(*(each.astype(np.float32) for each in (shown, scores, memory)), labels)
