"""Features of frames from a trunk that stays as it is, kept for the clips that were asked for last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ada3d_gym.forking import check_device
from ada3d_gym.networks.current import CurrentForm
from ada3d_gym.networks.transfer import to_device
from ada3d_gym.profiling import section
from ada3d_gym.progress import Lines, is_shown
from ada3d_gym.protocols import ClipSource

if TYPE_CHECKING:
    from ada3d_gym.networks.selection import ClipTrunk

TABLE_BYTES = 2**30  # of features kept in memory
BLOCK_BYTES = 2**24  # by which a table grows


class FrameFeatures:
    """Features (T, C) float32 of clips' frames.

    Args:
        trunk: of a selection network.
        device: where the trunk runs and features are kept.
        batch_size: clips in one forward pass at the most.
        table_bytes: memory for features at the most; those used longest ago make room for others.
        dtype: of the trunk's weights and activations; its own by default.
    """

    def __init__(
        self,
        trunk: ClipTrunk,
        device: torch.device | str = "cpu",
        *,
        batch_size: int = 128,
        table_bytes: int = TABLE_BYTES,
        dtype: torch.dtype | None = None,
    ):
        check_device(torch.device(device))
        self._trunk = CurrentForm(trunk.to(device), dtype)
        self._device, self._batch_size = device, batch_size
        self.shape = trunk.num_frames, trunk.channels
        self._table = RecentRows(self.shape, device, table_bytes)
        self._told: Lines | None = None

    @torch.no_grad()
    def __call__(self, source: ClipSource, ids: NDArray[np.int64], name: Hashable = None) -> Tensor:
        """A new tensor (B, T, C) on the device.

        Args:
            source: the clips.
            ids: of clips, (B,).
            name: tells sources with different clips apart.
        """
        unique, where = np.unique(ids, return_inverse=True)
        keys = [(name, clip) for clip in unique.tolist()]
        known = np.array([key in self._table for key in keys], np.bool_)
        features = torch.empty((len(unique), *self.shape), device=self._device)
        if known.any():
            features[self._index(np.flatnonzero(known))] = self._table.get(list(compress(keys, known)))
        if not known.all():
            computed = self._compute(source, unique[~known])
            features[self._index(np.flatnonzero(~known))] = computed
            self._table.put(list(compress(keys, ~known)), computed)
        return features[self._index(where)]

    def _index(self, index: NDArray[np.int64]) -> Tensor:
        return to_device(index, self._device)

    def _compute(self, source: ClipSource, ids: NDArray[np.int64]) -> Tensor:
        parts = [ids[start : start + self._batch_size] for start in range(0, len(ids), self._batch_size)]
        if self._told is None:
            self._told = Lines(None, "decoding clips and computing features of their frames, once for each clip")
        found = []
        for part in parts:
            found.append(self.of_pixels(source.observations(part)))
            if not is_shown():  # else it is a part of what speaks, such as an epoch
                self._told.add(len(part))
        return torch.cat(found)

    @torch.no_grad()
    def of_pixels(self, observations: NDArray[np.uint8]) -> Tensor:
        """Features (B, T, C) on the device of frames (B, T, 3, H, W); they are computed anew and not kept."""
        with section("transfer"):
            frames = to_device(observations, self._device)
        with section("selection"):
            features: Tensor = self._trunk.get().frames(frames).float()
        return features


class RecentRows:
    """Rows of float32 values by key, those used last; memory is taken as rows come.

    Args:
        shape: of a row.
        device: where they are kept.
        limit: bytes for rows at the most.
    """

    def __init__(self, shape: tuple[int, ...], device: torch.device | str, limit: int):
        self._shape, self._device = shape, device
        size = 4 * int(np.prod(shape))
        self._room, self._block_rows = limit // size, max(1, BLOCK_BYTES // size)
        self._places: OrderedDict[Hashable, int] = OrderedDict()  # the one used longest ago comes first
        self._blocks: list[Tensor] = []

    def __contains__(self, key: Hashable) -> bool:
        return key in self._places

    @property
    def nbytes(self) -> int:
        """Memory that is taken."""
        return sum(block.nbytes for block in self._blocks)

    def get(self, keys: Sequence[Hashable]) -> Tensor:
        """A copy (B, *shape) of rows that are there."""
        for key in keys:
            self._places.move_to_end(key)
        found = torch.empty((len(keys), *self._shape), device=self._device)
        for block, rows, places in self._by_block([self._places[key] for key in keys]):
            found[rows] = block[places]
        return found

    def put(self, keys: Sequence[Hashable], values: Tensor) -> None:
        """Keeps rows (B, *shape) of keys that are all different and not there; the last ones, where not all fit."""
        count = min(len(keys), self._room)
        kept = keys[len(keys) - count :]
        for key in kept:
            full = len(self._places) == self._room
            self._places[key] = self._places.popitem(last=False)[1] if full else len(self._places)
        while (taken := sum(map(len, self._blocks))) < len(self._places):
            size = min(self._block_rows, self._room - taken)
            self._blocks.append(torch.empty((size, *self._shape), device=self._device))
        for block, rows, places in self._by_block([self._places[key] for key in kept]):
            block[places] = values[len(keys) - count :][rows]

    def _by_block(self, places: list[int]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Each block of some places with their positions in the list and in the block."""
        number, within = np.divmod(np.array(places, np.int64), self._block_rows)
        for each in np.unique(number).tolist():
            rows = np.flatnonzero(number == each)
            yield self._blocks[each], *(to_device(index, self._device) for index in (rows, within[rows]))
