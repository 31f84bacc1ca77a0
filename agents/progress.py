"""The batches of an epoch, with a progress bar."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ada3d_gym.bandit import ClipSource

Ids = NDArray[np.int64]


def epoch_batches(
    source: ClipSource, ids: Ids, size: int, name: str, epoch: int, epochs: int
) -> Iterator[tuple[float, Ids]]:
    """(share of the epoch done, clip ids) of each batch; `epoch` of `epochs` are done."""
    starts = range(0, len(ids), size)
    for start in tqdm(starts, desc=f"{name}, epoch {epoch + 1} of {epochs}", unit="batch", leave=False, disable=None):
        source.expect(ids[start : start + 2 * size])  # the next batch is decoded beside this one's networks
        yield start / len(ids), ids[start : start + size]
