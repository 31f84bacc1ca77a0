"""A masked 3D network as the bandit's classifier: NumPy in, probabilities out."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.forking import check_device
from ada3d_gym.networks.current import CurrentForm
from ada3d_gym.networks.masked import MaskedNetwork


class NetworkClassifier:
    """Class probabilities of masked clips.

    Args:
        network: the masked network; its weights may change between calls, as in joint fine-tuning.
        size: side of the clips it will see, in pixels, for counting MACs.
        device: where it runs.
        batch_size: clips in one forward pass at the most.
        dtype: of weights and activations; the network's own by default.
    """

    def __init__(
        self,
        network: MaskedNetwork,
        size: int,
        *,
        device: torch.device | str = "cpu",
        batch_size: int = 128,
        dtype: torch.dtype | None = None,
    ):
        self.device, self.batch_size, self.dtype = torch.device(device), batch_size, dtype
        check_device(self.device)
        self.network = network.to(device)
        self._form = CurrentForm(self.network, dtype)
        self.stage_names = network.stage_names
        self.size, self.macs = size, network.count(size)

    @torch.inference_mode()
    def scores(self, clips: NDArray[np.uint8], u: NDArray[np.bool_], v: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Softmax probabilities (B, C) float32 of uint8 clips (B, T, 3, H, W); zeros where u keeps no frame.

        Raises:
            ValueError: on a GPU, in a process forked off one that uses it.
        """
        check_device(self.device)
        network = self._form.get()
        scores = []
        for start in range(0, len(clips), self.batch_size):
            part = slice(start, start + self.batch_size)
            batch = (torch.from_numpy(array[part]).to(self.device) for array in (clips, u, v))
            scores.append(network(*batch).softmax(1).float().cpu())
        result = torch.cat(scores).numpy()
        result[np.logical_not(u.any(1))] = 0
        return result

    def invalidate(self) -> None:
        """Says that the network has changed, so that the next scores come from it as it is.

        Nearly all changes are noticed without (see `CurrentForm`); this is for those that are too small to be seen.
        """
        self._form.invalidate()

    def for_size(self, size: int) -> NetworkClassifier:
        """The same classifier, one network, for clips of another size, whose MACs it counts."""
        other = copy.copy(self)
        other.size, other.macs = size, self.network.count(size)
        return other
