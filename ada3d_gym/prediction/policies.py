"""What chooses the masks of new clips."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.masks import join_mask, split_mask
from ada3d_gym.networks.current import CurrentForm
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.networks.selection import SelectionNetwork, greedy
from ada3d_gym.networks.transfer import masks_as_arrays, to_device
from ada3d_gym.precision import Precision, dtype_of


class MaskPolicy(Protocol):
    """Whatever acts; one that has `macs`, multiply-accumulates of its own for one clip, has them counted."""

    def act(self, observations: NDArray[np.uint8]) -> NDArray[Any]:
        """Flat masks (B, T + K) of zeros and ones for clips (B, T, 3, observation_size, observation_size)."""


class NetworkPolicy:
    """The greedy masks of a selection network: each bit that is likelier kept than dropped, and a frame at least.

    Args:
        selection: the network, of uint8 clips.
        side: of the frames that it will be shown, in pixels, to count operations by.
        device: where it runs.
        precision: in which it computes; its own by default.

    Attributes:
        macs: multiply-accumulates for one clip.
    """

    def __init__(
        self,
        selection: SelectionNetwork,
        side: int,
        device: torch.device | str = "cpu",
        precision: Precision | None = None,
    ):
        if selection.trunk.sees != "pixels":
            raise InputError("the selection network is shown features of frames: expected one that is shown pixels")
        self._device = torch.device(device)
        shown = torch.zeros(1, selection.trunk.num_frames, 3, side, side, dtype=torch.uint8)
        self._selection = selection.eval()
        self.macs = count_macs(self._selection.cpu(), shown)
        dtype = None if precision is None else dtype_of(precision)
        self._form = CurrentForm(self._selection.to(self._device), dtype)

    @torch.inference_mode()
    def act(self, observations: NDArray[np.uint8]) -> NDArray[np.int8]:
        logits = self._form.get()(to_device(observations, self._device))
        return join_mask(*masks_as_arrays(greedy(logits)))


class ConstantPolicy:
    """One mask for all clips.

    Args:
        frames: T bits, not all of them 0.
        stages: K bits.
    """

    macs = 0

    def __init__(self, frames: ArrayLike, stages: ArrayLike):
        bits = [np.asarray(each) for each in (frames, stages)]
        u, v = split_mask(np.concatenate(bits), len(bits[0]), len(bits[1]))
        if not u.any():
            raise InputError("a constant mask that keeps no frame: expected one frame bit of 1 at least")
        self._mask = join_mask(u, v)

    def act(self, observations: NDArray[np.uint8]) -> NDArray[np.int8]:
        return np.tile(self._mask, (len(observations), 1))
