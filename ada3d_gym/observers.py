"""What a policy is shown of a clip: its pixels, features of its frames, or its number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.forking import check_device

if TYPE_CHECKING:
    from ada3d_gym.bandit import ClipSource
    from ada3d_gym.networks.selection import ClipTrunk

Ids = NDArray[np.int64]
Observation = Literal["pixels", "features", "index"]
TABLE_BYTES = 2**30  # of features kept in memory
SPLITS = ("train", "val", "test")
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
    """Features (T, C) float32 of each frame, from a trunk that stays as it is, computed once for each clip.

    Args:
        source: the clips.
        trunk: of a selection network.
        device: where the trunk runs.
        batch_size: clips in one forward pass at the most.
        table_bytes: memory for features; those of clips that do not fit are computed every time.
    """

    def __init__(
        self,
        source: ClipSource,
        trunk: ClipTrunk,
        device: torch.device | str = "cpu",
        *,
        batch_size: int = 128,
        table_bytes: int = TABLE_BYTES,
    ):
        check_device(torch.device(device))
        self._source, self._trunk = source, trunk.to(device).eval()
        self._device, self._batch_size = device, batch_size
        shape = source.num_frames, trunk.channels
        self.space = spaces.Box(-np.inf, np.inf, shape, np.float32)
        rows = min(len(source), table_bytes // (4 * int(np.prod(shape))))
        self._table = torch.zeros((rows, *shape), device=device)  # on a CPU, no memory is taken until it is written
        self._known = np.zeros(rows, np.bool_)

    def __call__(self, ids: Ids) -> NDArray[np.float32]:
        features: NDArray[np.float32] = self.tensor(ids).cpu().numpy()
        return features

    @torch.no_grad()
    def tensor(self, ids: Ids) -> torch.Tensor:
        """The same on the device."""
        fits = ids < len(self._table)
        missing = np.unique(ids[fits][~self._known[ids[fits]]])
        if len(missing):
            self._table[self._rows(missing)] = self._compute(missing)
            self._known[missing] = True
        if fits.all():
            return self._table[self._rows(ids)]
        features = self._table.new_empty((len(ids), *self._table.shape[1:]))
        features[self._rows(fits)] = self._table[self._rows(ids[fits])]
        features[self._rows(~fits)] = self._compute(ids[~fits])
        return features

    def _rows(self, index: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(index).to(self._device)

    def _compute(self, ids: Ids) -> torch.Tensor:
        parts = [ids[start : start + self._batch_size] for start in range(0, len(ids), self._batch_size)]
        clips = (torch.from_numpy(self._source.observations(part)).to(self._device) for part in parts)
        return torch.cat([self._trunk.frames(batch).float() for batch in clips])


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
        self._views, self._split = source.views, SPLITS.index(split)
        if max(source.views, len(source) // source.views) > MOST:
            raise InputError(f"observation='index' numbers at most {MOST} videos and views: choose fewer views")
        high = np.array([len(SPLITS) - 1, MOST, MOST, MOST], np.int32)
        self.space = spaces.Box(np.zeros(4, np.int32), high, (4,), np.int32)  # the same for all splits

    def __call__(self, ids: Ids) -> NDArray[np.int32]:
        video, view = np.divmod(ids, self._views)
        split, views = np.full_like(ids, self._split), np.full_like(ids, self._views)
        return np.stack([split, views, video, view], axis=1).astype(np.int32)
