"""A masked 3D network as the bandit's classifier: NumPy in, probabilities out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.forking import check_device
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.masked import MaskedNetwork


class NetworkClassifier:
    """Class probabilities of masked clips.

    Args:
        network: the masked network; its weights may change between calls (joint fine-tuning).
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
        self._form: tuple[object, MaskedNetwork] = (), network
        self.stage_names = network.stage_names
        self.macs = network.count(size)

    @torch.inference_mode()
    def scores(self, clips: NDArray[np.uint8], u: NDArray[np.bool_], v: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Softmax probabilities (B, C) float32 of uint8 clips (B, T, 3, H, W); zeros where u keeps no frame.

        Raises:
            ValueError: on a GPU, in a process forked off one that uses it.
        """
        check_device(self.device)
        network = self._inference_form()
        scores = []
        for start in range(0, len(clips), self.batch_size):
            part = slice(start, start + self.batch_size)
            batch = (torch.from_numpy(array[part]).to(self.device) for array in (clips, u, v))
            scores.append(network(*batch).softmax(1).float().cpu())
        result = torch.cat(scores).numpy()
        result[np.logical_not(u.any(1))] = 0
        return result

    def _inference_form(self) -> MaskedNetwork:
        """Made anew when a weight or statistic of the network has changed."""
        values = [*self.network.parameters(), *self.network.buffers()]
        state = [(value.data_ptr(), value._version) for value in values]
        if self._form[0] != state:
            self._form = state, inference_form(self.network, self.dtype or next(self.network.parameters()).dtype)
        return self._form[1]
