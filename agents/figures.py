"""Figures of an epoch, and whether the policy still tells clips apart."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ada3d_gym import parallel
from ada3d_gym.bandit import Outcome
from ada3d_gym.protocols import ClipSource

Bits = NDArray[np.bool_]


class CollapseWarning(UserWarning):
    """A policy that keeps the same mask for every clip: nothing adaptive is left of it."""


class Meter:
    """Running means of figures by name, over all processes."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, **values: float) -> None:
        for name, value in values.items():
            self._values.setdefault(name, []).append(float(value))

    def add_outcome(self, outcome: Outcome) -> None:
        """What clips were paid and what was kept of them; regret, too, where it is known."""
        self.add(
            reward=outcome.reward.mean(),
            correct=outcome.correct.mean(),
            frames=outcome.frames.mean(),
            stages=outcome.stages.mean(),
            gmacs=outcome.macs.mean() / 1e9,
        )
        if outcome.regret is not None:
            self.add(regret=outcome.regret.mean())

    def state_dict(self) -> dict[str, list[float]]:
        """Of this process."""
        return {name: list(values) for name, values in self._values.items()}

    def load_state_dict(self, state: dict[str, list[float]]) -> None:
        self._values = {name: list(values) for name, values in state.items()}

    def means(self) -> dict[str, float]:
        parts = parallel.gather(self._values)
        return {name: float(np.mean(np.concatenate([part[name] for part in parts]))) for name in self._values}


class MaskWatch:
    """The greedy masks of an epoch, of all processes: how many there are, and what they keep of each family."""

    def __init__(self, source: ClipSource):
        self._source = source
        self._ids: list[NDArray[np.int64]] = []
        self._masks: list[tuple[Bits, Bits]] = []

    def add(self, ids: NDArray[np.int64], u: Bits, v: Bits) -> None:
        """Masks u (B, T) and v (B, K) of clips."""
        self._ids.append(ids)
        self._masks.append((u, v))

    def state_dict(self) -> dict[str, Tensor]:
        """Of this process."""
        if not self._ids:
            return {}
        parts = (self._ids, *zip(*self._masks, strict=True))
        return {
            name: torch.from_numpy(np.concatenate(part)) for name, part in zip(("ids", "u", "v"), parts, strict=True)
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._ids, self._masks = [], []
        if state:
            ids, u, v = (state[name].numpy() for name in ("ids", "u", "v"))
            self.add(ids, u, v)

    def figures(self, begins: bool = False) -> dict[str, float]:
        """`distinct_masks`; `keep_frames` and `keep_stages`, shares, also as `keep_frames/FAMILY`.

        Warns with a `CollapseWarning` where several clips all got one mask.

        Args:
            begins: the policy has just begun, and may not have left the one mask that it begins from: no warning.
        """
        mine = (np.concatenate(parts) for parts in (self._ids, *zip(*self._masks, strict=True)))
        ids, u, v = (np.concatenate(parallel.gather(part)) for part in mine)
        distinct = len(np.unique(np.concatenate([u, v], 1), axis=0))
        figures = {"distinct_masks": float(distinct), "keep_frames": float(u.mean()), "keep_stages": float(v.mean())}
        families = np.array([self._source.record(clip).family for clip in ids.tolist()])
        for family in np.unique(families[families != ""]):
            rows = families == family
            figures[f"keep_frames/{family}"] = float(u[rows].mean())
            figures[f"keep_stages/{family}"] = float(v[rows].mean())
        if distinct == 1 and len(np.unique(ids)) > 1 and not begins:
            warnings.warn(
                f"the policy has collapsed: all {len(np.unique(ids))} clips of this epoch get the same mask. More "
                "entropy, a lower learning rate or a larger gamma keep it open",
                CollapseWarning,
                stacklevel=2,
            )
        return figures
