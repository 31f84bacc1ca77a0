"""What an environment tells about clips and outcomes: arrays for a batch, and plain values for one of it.

All faces take their infos from here, so they say the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.bandit import Outcome
from ada3d_gym.protocols import ClipSource

Infos = dict[str, NDArray[Any]]


def clip_infos(source: ClipSource, ids: NDArray[np.int64]) -> Infos:
    """Arrays (B,): clip (int64 id), video (path), label (int64), label_name, family ("" where not known)."""
    records = [source.record(clip) for clip in ids.tolist()]
    labels = source.labels(ids)
    return {
        "clip": ids.copy(),
        "video": _objects([str(record.path) for record in records]),
        "label": labels,
        "label_name": _objects([source.class_names[label] for label in labels.tolist()]),
        "family": _objects([record.family for record in records]),
    }


def outcome_infos(outcome: Outcome) -> Infos:
    """Arrays (B,) of the fields of `Outcome` that are not in `clip_infos`, the scores left out."""
    infos = {name: getattr(outcome, name) for name in OUTCOME_FIELDS}
    return infos | {"confidence": outcome.confidence.astype(np.float64)}  # as a Python float has it


OUTCOME_FIELDS = (
    "correct",
    "prediction",
    "confidence",
    "reward_frames",
    "reward_stages",
    "macs",
    "frames",
    "stages",
    "no_frames",
)


def each(infos: Infos) -> list[dict[str, Any]]:
    """The infos of each clip as a dictionary of Python values."""
    columns = [values.tolist() for values in infos.values()]
    return [dict(zip(infos, row, strict=True)) for row in zip(*columns, strict=True)]


def _objects(values: list[str]) -> NDArray[np.object_]:
    array = np.empty(len(values), object)
    array[:] = values
    return array
