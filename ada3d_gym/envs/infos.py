"""What an environment tells about clips and outcomes: arrays for a batch, and plain values for one of it.

All faces take their infos from here, so they say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.bandit import Outcome
from ada3d_gym.outcomes.storage import TableError
from ada3d_gym.protocols import ClipSource, NamedSource

Infos = dict[str, NDArray[Any]]


class PartialInfos(dict[str, Any]):
    """Infos of which some are not known; asking for one is a KeyError that says why.

    Args:
        values: by name.
        absent: why others are not there, by name.
    """

    def __init__(self, values: Mapping[str, Any] | Iterable[tuple[str, Any]], absent: Mapping[str, str]):
        super().__init__(values)
        self.absent = absent

    def __missing__(self, key: str) -> Any:
        raise KeyError(self.absent.get(key, key))


def completed(values: Mapping[str, Any] | Iterable[tuple[str, Any]], infos: Infos) -> dict[str, Any]:
    """Values made of infos, which lack what those lack."""
    return PartialInfos(values, infos.absent) if isinstance(infos, PartialInfos) else dict(values)


def clip_infos(source: ClipSource, ids: NDArray[np.int64]) -> Infos:
    """Arrays (B,): clip (int64 id), video (path), label (int64), label_name, family ("" where not known)."""
    if isinstance(source, NamedSource):
        paths, families = source.paths(ids), source.families(ids)
    else:
        records = [source.record(clip) for clip in ids.tolist()]
        paths = _objects([str(record.path) for record in records])
        families = _objects([record.family for record in records])
    labels = source.labels(ids)
    return {
        "clip": ids.copy(),
        "video": paths,
        "label": labels,
        "label_name": _objects(source.class_names)[labels],
        "family": families,
    }


def reset_infos(source: ClipSource, ids: NDArray[np.int64], label: bool) -> Infos:
    """Arrays (B,) of what is told before a mask is chosen: clip, and all of `clip_infos` only where labels are shown.

    Paths and families of clips often say which class they are of, and so are held back with the label.
    """
    return clip_infos(source, ids) if label else {"clip": ids.copy()}


def step_infos(source: ClipSource, ids: NDArray[np.int64], outcome: Outcome) -> Infos:
    """Arrays (B,) of `clip_infos`, and of the fields of `Outcome` beside them, without the scores.

    On an outcome table also "regret"; there, prediction and confidence are told where the table's parts hold them.
    """
    infos, absent = clip_infos(source, ids), dict[str, str]()
    for name in OUTCOME_FIELDS:
        try:
            infos[name] = getattr(outcome, name)
        except TableError as error:
            absent[name] = str(error)
    if "confidence" in infos:
        infos["confidence"] = infos["confidence"].astype(np.float64)  # as a Python float has it
    if outcome.regret is not None:
        infos["regret"] = outcome.regret
    return PartialInfos(infos, absent) if absent else infos


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
    return [completed(zip(infos, row, strict=True), infos) for row in zip(*columns, strict=True)]


def _objects(values: Sequence[str]) -> NDArray[np.object_]:
    array = np.empty(len(values), object)
    array[:] = values
    return array
