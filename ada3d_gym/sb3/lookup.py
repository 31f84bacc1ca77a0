"""What clips' numbers stand for: the same clips as the environment's, as pixels or features of frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal
from weakref import WeakValueDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ada3d_gym.building import build_clips, build_feature_trunk
from ada3d_gym.errors import InputError
from ada3d_gym.networks.features import FrameFeatures
from ada3d_gym.observers import SPLITS, shown_source
from ada3d_gym.protocols import ClipSource

Kind = Literal["features", "pixels"]


class ClipLookup:
    """Looks clips up by the numbers of `ada3d_gym.observers.IndexObserver`.

    Clips come from the environment that shows the numbers, where it is in this process, so that each is decoded once;
    else from files that are opened here.

    Args:
        clips: options of `ada3d_gym.building.build_clips`, but for split and views.
        of: "features" of a trunk that stays as it is, or "pixels".
        side: of the frames, in pixels; found out where it is None.
        weights: of the trunk, see `ada3d_gym.building.build_trunk`.
        device: where features are computed, and results lie.
        table_bytes: memory for features at the most.

    Attributes:
        num_frames, side: T, and the frames' side.
        shape: of what a number stands for: (T, C) or (T, 3, side, side).
    """

    def __init__(
        self, clips: dict[str, Any], of: Kind, side: int | None, weights: str | None, device: str, table_bytes: int
    ):
        self._arguments = clips, of, side, weights, device, table_bytes
        self._clips, self._device = clips, device
        self._own: dict[tuple[str, int], ClipSource] = {}
        if side is None or "num_frames" not in clips:
            source = build_clips(split=SPLITS[0], **clips)
            self.num_frames, self.side = source.num_frames, source.observation_size
            self._own[SPLITS[0], source.views] = source
        else:
            self.num_frames, self.side = clips["num_frames"], side
        self._features: FrameFeatures | None = None
        self.shape: tuple[int, ...] = (self.num_frames, 3, self.side, self.side)
        if of == "features":
            with torch.random.fork_rng(devices=[]):  # a seed's policy is the same whether a trunk was there already
                trunk = build_feature_trunk(self.num_frames, self.side, weights)
            self._features = FrameFeatures(trunk, device, table_bytes=table_bytes)
            self.shape = self._features.shape

    def __call__(self, numbers: NDArray[np.int64]) -> Tensor:
        """(B, 4) to (B, *shape) on the device.

        Raises:
            InputError: for what is the number of no clip.
        """
        spaces, which = np.unique(numbers[:, :2], axis=0, return_inverse=True)
        parts = [self._of_one(split, views, numbers[which == at]) for at, (split, views) in enumerate(spaces.tolist())]
        if len(parts) == 1:
            return parts[0]
        order = np.argsort(which, kind="stable")
        return torch.cat(parts)[torch.from_numpy(np.argsort(order)).to(self._device)]

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return shared_lookup, self._arguments  # copies share what is in memory

    def _of_one(self, split: int, views: int, numbers: NDArray[np.int64]) -> Tensor:
        if not (0 <= split < len(SPLITS) and views > 0 and (numbers >= 0).all()):
            given = numbers[0].tolist()
            raise InputError(
                f"the observation {given} is the number of no clip: expected what an environment with "
                "observation='index' shows, unchanged; VecNormalize needs norm_obs=False"
            )
        source, ids = self._source(SPLITS[split], views), numbers[:, 2] * views + numbers[:, 3]
        if (most := ids.max()) >= len(source):
            raise InputError(
                f"the policy is asked about video {most // views} of {SPLITS[split]} and looks clips up among "
                f"{len(source) // views}: it was made on {self._clips}; give its environment as many videos"
            )
        if self._features is not None:
            return self._features(source, ids, (split, views))
        return torch.from_numpy(source.observations(ids)).to(self._device)

    def _source(self, split: str, views: int) -> ClipSource:
        shown = shown_source(self._clips, split, views)
        if shown is not None:
            self._own.pop((split, views), None)
            return shown
        if (split, views) not in self._own:
            self._own[split, views] = build_clips(split=split, views=views, **self._clips)
        return self._own[split, views]


_LOOKUPS: WeakValueDictionary[str, ClipLookup] = WeakValueDictionary()


def shared_lookup(
    clips: dict[str, Any], of: Kind, side: int | None, weights: str | None, device: str, table_bytes: int
) -> ClipLookup:
    """One for all networks with these arguments, which are those of `ClipLookup`, for as long as one of them lives."""
    written = Path(weights).stat().st_mtime_ns if weights is not None and Path(weights).exists() else None
    key = json.dumps([clips, of, side, weights, written, device, table_bytes], sort_keys=True)
    lookup = _LOOKUPS.get(key)
    if lookup is None:
        lookup = _LOOKUPS[key] = ClipLookup(clips, of, side, weights, device, table_bytes)
    return lookup
