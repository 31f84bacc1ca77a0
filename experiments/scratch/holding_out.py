"""Videos of a training list that are kept from training, where no other list is there for validation."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.video.records import VideoRecord


def held_out(records: Sequence[VideoRecord], share: float) -> NDArray[np.bool_]:
    """Which videos (N,) are held out: `share` of each class's, by first label, always the same of the same list.

    Which they are hangs on the names of files and of the folders that they are in, not on their order or on where all
    that lies. Of a class with several videos at least one is held out and at least one is not.
    """
    chosen = np.zeros(len(records), np.bool_)
    labels = np.array([record.labels[0] if record.labels else -1 for record in records], np.int64)
    marks = np.array(
        [
            hashlib.sha256("/".join(record.path.parts[-2:]).encode(errors="surrogateescape")).hexdigest()
            for record in records
        ]
    )
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = min(max(1, round(share * len(rows))), len(rows) - 1) if share else 0
        chosen[rows[marks[rows].argsort(kind="stable")[:count]]] = True
    return chosen
