"""What a policy is shown of a clip: its pixels, features of its frames, or its number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, Protocol
from weakref import WeakValueDictionary

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.networks.features import TABLE_BYTES, FrameFeatures
from ada3d_gym.precision import Precision, dtype_of
from ada3d_gym.protocols import ClipSource, Ids

if TYPE_CHECKING:
    from ada3d_gym.networks.selection import ClipTrunk

Observation = Literal["pixels", "features", "index"]
SPLITS = ("train", "val", "test")
READING = ("strict", "cache_bytes", "workers", "ahead_bytes")  # arguments that do not change what a clip's number means
MOST = 2**24 - 1  # agents turn numbers into float32, which holds whole ones exactly up to here


class Observer(Protocol):
    """Observations of clips."""

    @property
    def space(self) -> spaces.Box:
        """Of one observation."""

    def __call__(self, ids: Ids) -> NDArray[Any]:
        """A new array (B, *space.shape) of the space's dtype."""


class PixelObserver:
    """Clips as (T, 3, H, W) uint8 RGB at the policy's resolution."""

    def __init__(self, source: ClipSource):
        self._source = source
        side = source.observation_size
        self.space = spaces.Box(0, 255, (source.num_frames, 3, side, side), np.uint8)

    def __call__(self, ids: Ids) -> NDArray[np.uint8]:
        return self._source.observations(ids)


class FeatureObserver:
    """Features (T, C) float32 of each frame, from a trunk that stays as it is, kept for the clips shown last.

    Args:
        source: the clips.
        trunk: of a selection network.
        device: where the trunk runs.
        batch_size: clips in one forward pass at the most.
        table_bytes: memory for features at the most; it is taken as clips are shown.
        precision: in which the trunk computes; features are float32 in any case.
    """

    def __init__(
        self,
        source: ClipSource,
        trunk: ClipTrunk,
        device: torch.device | str = "cpu",
        *,
        batch_size: int = 128,
        table_bytes: int = TABLE_BYTES,
        precision: Precision | None = None,
    ):
        self._source, self.trunk = source, trunk
        dtype = None if precision is None else dtype_of(precision)
        self._features = FrameFeatures(trunk, device, batch_size=batch_size, table_bytes=table_bytes, dtype=dtype)
        self.space = spaces.Box(-np.inf, np.inf, self._features.shape, np.float32)

    def __call__(self, ids: Ids) -> NDArray[np.float32]:
        features: NDArray[np.float32] = self.tensor(ids).cpu().numpy()
        return features

    def tensor(self, ids: Ids) -> torch.Tensor:
        """The same on the device."""
        return self._features(self._source, ids)

    def of_pixels(self, observations: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (B, T, C) of frames (B, T, 3, H, W); they are computed anew and not kept."""
        features: NDArray[np.float32] = self._features.of_pixels(observations).cpu().numpy()
        return features


def shows_features(observer: Observer) -> bool:
    """Whether observations are features of frames (T, C), not pixels or numbers."""
    return observer.space.dtype == np.float32 and len(observer.space.shape) == 2


class IndexObserver:
    """A clip's number, (4,) int32: split (train, val, test), views per video, video, view.

    For agents that look pixels or features up themselves (`ada3d_gym.sb3.IndexExtractor`): a rollout of thousands of
    steps then takes kilobytes. With the first two numbers, the last two mean the same clip anywhere.

    Args:
        source: the clips.
        split: their split.
        naming: options of `ada3d_gym.building.build_clips`, but for split and views, that make the clips again.
    """

    def __init__(self, source: ClipSource, split: str, naming: dict[str, Any]):
        self.naming = naming
        self._source = source
        self._views, self._split = source.views, SPLITS.index(split)
        if max(source.views, len(source) // source.views) > MOST:
            raise InputError(f"observation='index' numbers at most {MOST} videos and views: choose fewer views")
        high = np.array([len(SPLITS) - 1, MOST, MOST, MOST], np.int32)
        self.space = spaces.Box(np.zeros(4, np.int32), high, (4,), np.int32)  # the same for all splits

    def __call__(self, ids: Ids) -> NDArray[np.int32]:
        _SHOWN[_name(self.naming, SPLITS[self._split], self._views)] = self._source
        video, view = np.divmod(ids, self._views)
        split, views = np.full_like(ids, self._split), np.full_like(ids, self._views)
        return np.stack([split, views, video, view], axis=1).astype(np.int32)


# The source that showed numbers last, by what it is made of, for as long as it is used elsewhere.
_SHOWN: WeakValueDictionary[str, ClipSource] = WeakValueDictionary()


def shown_source(naming: dict[str, Any], split: str, views: int) -> ClipSource | None:
    """The clips behind the numbers that an `IndexObserver` of this process showed last, where they are still in use.

    Looking the numbers up there finds clips that are decoded, or being decoded, for the classifier already.
    """
    return _SHOWN.get(_name(naming, split, views))


def _name(naming: dict[str, Any], split: str, views: int) -> str:
    meaning = {key: value for key, value in naming.items() if key not in READING}
    return json.dumps([meaning, split, views], sort_keys=True, default=str)
