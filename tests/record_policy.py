"""A policy that reads a MotionShapes video's record: what a learned one can at best find out from its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.protocols import ClipSource

Bits = NDArray[np.bool_]
ALL_STAGES = np.ones(5, np.bool_)
SLOW = np.array([0, 2, 4, 6])  # frames of 8, far apart
FAST = np.array([2, 3, 4, 5])  # neighbours


def masks_by_record(source: ClipSource, ids: NDArray[np.int64]) -> tuple[Bits, Bits]:
    """Masks (B, 8) and (B, 5) of clips of 8 frames.

    Any frame of a scene, the one that shows an object, and of motions four frames and all stages.
    """
    u, v = np.zeros((len(ids), 8), np.bool_), np.zeros((len(ids), 5), np.bool_)
    visible = source.visible_frames(ids)
    for row, clip in enumerate(ids.tolist()):
        record = source.record(clip)
        if record.family == "motion":
            u[row, SLOW if record.speed == "slow" else FAST] = True
            v[row] = ALL_STAGES
        else:
            u[row, visible[row].argmax()] = True
    return u, v
