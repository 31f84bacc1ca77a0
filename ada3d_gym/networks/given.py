"""The frames of clips that a classifier is given, and their way to the device: once, and only those that masks keep."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ada3d_gym.errors import InputError
from ada3d_gym.networks.packing import by_length, places_among_kept, take_rows
from ada3d_gym.networks.transfer import to_device
from ada3d_gym.profiling import section


class GivenFrames:
    """Frames by clip, as masks ask for them.

    Args:
        pixels: uint8 clips (A, T, 3, H, W), or the frames that u keeps alone, clip by clip, (N, 3, H, W).
        u: frame masks (B, T).
        of: (B,), the clip that each mask is of; the one in its place by default.

    Raises:
        InputError: for another number of clips or frames than the masks are for.
    """

    def __init__(self, pixels: Tensor, u: NDArray[np.bool_], of: NDArray[np.int64] | None = None):
        packed = pixels.dim() == 4
        expected = int(u.sum()) if packed else len(u)
        if of is None and len(pixels) != expected:
            raise InputError(f"got {len(pixels)} packed frames or clips: the masks are for {expected}")
        self._u, self._of = u, np.arange(len(u)) if of is None else of
        self.side = pixels.shape[-1]
        length = u.shape[1]
        self._frames = pixels if packed else pixels.flatten(0, 1)
        self._place = places_among_kept(u) if packed else self._of[:, None] * length + np.arange(length)

    def batches(
        self, v: NDArray[np.bool_], size: int, held: int, device: torch.device
    ) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """Masks by their places (n,), and the frames (N, 3, H, W) that they keep, clip by clip, on the device.

        Every mask comes once, in the order in which networks pack clips.

        Args:
            v: stage masks (B, K).
            size: masks at a time.
            held: clips at the most whose frames are on the device together; all on a CPU, where nothing is copied.
            device: where networks run.
        """
        window = np.zeros_like(self._of) if device.type == "cpu" else self._of // held
        for each in np.unique(window):
            rows = np.flatnonzero(window == each)
            rows = rows[by_length(self._u[rows], v[rows])]
            kept = self._u[rows]
            places, ends = self._place[rows][kept], np.append(0, kept.sum(1).cumsum())
            with section("transfer"):
                frames, places = self._brought(places, device)
                index = to_device(places, device)
            for start in range(0, len(rows), size):
                stop = min(start + size, len(rows))
                part = slice(ends[start], ends[stop])
                yield rows[start:stop], _taken(frames, places[part], index[part])

    def _brought(self, places: NDArray[np.int64], device: torch.device) -> tuple[Tensor, NDArray[np.int64]]:
        """Frames on the device, each once, and which of them are in these places."""
        if device.type == "cpu":
            return self._frames, places
        used, places = np.unique(places, return_inverse=True)
        return to_device(_taken(self._frames, used, torch.from_numpy(used)), device), places


def _taken(frames: Tensor, places: NDArray[np.int64], index: Tensor) -> Tensor:
    """Frames in some places, whose `index` is on their device; uncopied where they lie in a row."""
    if len(places) and np.array_equal(places, np.arange(places[0], places[0] + len(places))):
        return frames[places[0] : places[0] + len(places)]
    return take_rows(frames, index)
