"""Looks at videos made of numbers, so that every reward can be worked out by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.untrimmed.protocols import Look

Ids = NDArray[np.int64]


class KnownLooks:
    """Three classes, five places; place p of video i shows class p % 3 with a certainty that rises with p."""

    places, class_names, features = 5, ("a", "b", "c"), 2
    memory_shape, memory_macs, whole_macs = (4, 3), 50, 100
    own = np.array([[0], [1], [2], [0], [1], [2]])

    def __len__(self) -> int:
        return len(self.own)

    def at(self, videos: Ids, places: Ids) -> Look:
        sure = 0.4 + 0.1 * places
        scores = np.tile(((1 - sure) / 2)[:, None], (1, 3)).astype(np.float32)
        scores[np.arange(len(places)), places % 3] = sure
        features = np.stack([videos, places], 1).astype(np.float32)
        return Look(features, scores, 10 + places, np.ones_like(places), np.ones_like(places))

    def memory(self, videos: Ids) -> NDArray[np.float32]:
        return np.tile(videos.astype(np.float32)[:, None, None], (1, *self.memory_shape))

    def labels(self, videos: Ids) -> Ids:
        return self.own[videos, 0]

    def targets(self, videos: Ids) -> NDArray[np.bool_]:
        return np.arange(3) == self.own[videos]
