"""What masks the clips of a long video get before they are classified."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.masks import join_mask
from ada3d_gym.networks.current import CurrentForm
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.networks.selection import SelectionNetwork, greedy


class MaskPolicy(Protocol):
    """Something that chooses a mask for each clip; every agent of `ada3d_gym.agents` that is shown pixels is one.

    Attributes:
        macs: its own multiply-accumulates for one clip.
    """

    macs: int

    def act(self, observations: NDArray[Any]) -> NDArray[Any]:
        """Flat masks (B, T + K) of zeros and ones for clips (B, T, 3, side, side) uint8."""


class Selected:
    """The greedy masks of a selection network.

    Args:
        selection: the network; not trained here.
        side: of the frames that it sees, in pixels, for counting MACs.
        device: where it runs.
    """

    def __init__(self, selection: SelectionNetwork, side: int, device: torch.device | str = "cpu"):
        self.selection, self._device = selection.eval().to(device), device
        self._form = CurrentForm(self.selection)
        frames = torch.zeros(1, selection.trunk.num_frames, 3, side, side, dtype=torch.uint8, device=device)
        self.macs = count_macs(self.selection, frames)

    @torch.inference_mode()
    def act(self, observations: NDArray[Any]) -> NDArray[np.int8]:
        u, v = greedy(self._form.get()(torch.from_numpy(observations).to(self._device)))
        return join_mask(u.cpu().numpy(), v.cpu().numpy())


class Everything:
    """Keeps all frames and stages.

    Args:
        length: T + K.
    """

    macs = 0

    def __init__(self, length: int):
        self._length = length

    def act(self, observations: NDArray[Any]) -> NDArray[np.int8]:
        return np.ones((len(observations), self._length), np.int8)
