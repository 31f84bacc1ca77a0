"""The batches of an epoch, with clips a second and the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ada3d_gym import parallel
from ada3d_gym.progress import Progress
from ada3d_gym.protocols import ClipSource, usable

Ids = NDArray[np.int64]


def epoch_batches(
    source: ClipSource,
    ids: Ids,
    size: int,
    name: str,
    epoch: int,
    epochs: int,
    expect: Callable[[Ids], None] | None = None,
    done: int = 0,
) -> Iterator[tuple[float, int, Ids]]:
    """(share of the epoch done, size, rows of this process) of each batch of clip ids; `epoch` of `epochs` are done.

    Clips that cannot be decoded have stand-ins in their places. `expect` is told of clips that will be asked for soon,
    by default the source's. The first `done` batches are left out.
    """
    batches = [ids[start : start + size] for start in range(0, len(ids), size)]
    mine = [batch[parallel.rows(len(batch))] for batch in batches]
    tell = expect or source.expect
    title = f"{name}, epoch {epoch + 1} of {epochs}"
    quiet, before = parallel.rank() > 0, min(done * size, len(ids))
    with Progress(len(ids), title, quiet=quiet, done=before, repeated=True) as shown:
        for number in range(done, len(batches)):
            tell(np.concatenate(mine[number : number + 2]))  # the next batch is decoded beside this one's networks
            yield number * size / len(ids), len(batches[number]), usable(source, mine[number])
            shown.add(len(batches[number]))
