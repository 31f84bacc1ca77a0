"""A batch that several processes share: whose clips are whose, and what is drawn for them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ada3d_gym import parallel
from ada3d_gym.finetuning import micro_batches
from ada3d_gym.protocols import Ids


class Pass(NamedTuple):
    """This process's clips of one pass, forward and backward.

    Attributes:
        rows: of the batch.
        share: of the update's clips, those of the other processes in this pass included.
        weight: of the mean over `rows`, see `ada3d_gym.parallel.weight`.
        divided: whether the other processes have others of its clips; all have all of fewer than there are processes.
    """

    rows: Ids
    share: float
    weight: float
    divided: bool


def passes_of(whole: int, micro_batch: int | None) -> list[Pass]:
    """This process's passes of a batch of `whole` clips, of `micro_batch` clips at the most; all have as many."""
    size, every = micro_batch and micro_batch * parallel.world(), np.arange(whole)
    made = []
    for rows, part in micro_batches(whole, size):
        count = len(every[rows])
        divided = 1 < parallel.world() <= count
        made.append(Pass(every[rows][parallel.rows(count)], part.share, parallel.weight(count), divided))
    return made


class BatchDraws:
    """Random numbers for this process's clips of a batch: those that one process would draw for the whole.

    Args:
        generator: on the device of the clips; alike in all processes.
        whole: clips in the batch.
        rows: this process's; all by default.
    """

    def __init__(self, generator: torch.Generator, whole: int, rows: Ids | None = None):
        self.generator, self._whole = generator, whole
        self._rows = None if rows is None or len(rows) == whole else torch.from_numpy(rows).to(generator.device)

    def uniform(self, *shape: int) -> Tensor:
        """(B, *shape) in [0, 1)."""
        drawn = torch.rand(self._whole, *shape, generator=self.generator, device=self.generator.device)
        return drawn if self._rows is None else drawn[self._rows]
