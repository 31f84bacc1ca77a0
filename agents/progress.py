"""The batches of an epoch, with a progress bar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

Ids = NDArray[np.int64]


def epoch_batches(ids: Ids, size: int, name: str, epoch: int, epochs: int) -> tuple[int, Iterable[Ids]]:
    """How many batches `ids` make, and the batches; `epoch` of `epochs` are done."""
    batches: Sequence[Ids] = [ids[start : start + size] for start in range(0, len(ids), size)]
    return len(batches), tqdm(
        batches, desc=f"{name}, epoch {epoch + 1} of {epochs}", unit="batch", leave=False, disable=None
    )
