"""A masked 3D network as the bandit's classifier: NumPy in, probabilities out."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ada3d_gym.errors import InputError
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

    def scores(self, clips: NDArray[np.uint8], u: NDArray[np.bool_], v: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Softmax probabilities (B, C) float32 of uint8 clips (B, T, 3, H, W); zeros where u keeps no frame.

        Raises:
            ValueError: on a GPU, in a process forked off one that uses it.
        """
        (scores,) = self._computed(clips, u, v, lambda network, *batch: (network(*batch).softmax(1),))
        return scores

    def scores_packed(self, frames: Tensor, u: NDArray[np.bool_], v: NDArray[np.bool_]) -> NDArray[np.float32]:
        """The `scores` of clips of which only the kept frames are there, so that no others have to be made.

        Args:
            frames: (N, 3, H, W) uint8, the frames that u keeps, clip by clip, as
                `ada3d_gym.video.squares.Squares.kept` gives them; fastest in channels-last order.
            u, v: masks (B, T) and (B, K), with N frames kept in all.

        Raises:
            ValueError: for another number of frames; on a GPU, in a process forked off one that uses it.
        """
        (scores,) = self._computed(frames, u, v, lambda network, *batch: (network(*batch).softmax(1),))
        return scores

    def features(
        self, clips: NDArray[np.uint8], u: NDArray[np.bool_], v: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features (B, D) float32, the input of the last layer, and the `scores` (B, C) of one pass.

        They are averaged over the frames that u keeps; zeros where it keeps none. A network that `convert` made gives
        its logits for features, see `MaskedNetwork.with_features`.

        Raises:
            ValueError: on a GPU, in a process forked off one that uses it.
        """

        def compute(network: MaskedNetwork, *batch: Tensor) -> tuple[Tensor, Tensor]:
            features, logits = network.with_features(*batch)
            return features, logits.softmax(1)

        features, scores = self._computed(clips, u, v, compute)
        return features, scores

    @torch.inference_mode()
    def _computed(
        self,
        clips: NDArray[np.uint8] | Tensor,
        u: NDArray[np.bool_],
        v: NDArray[np.bool_],
        compute: Callable[..., tuple[Tensor, ...]],
    ) -> list[NDArray[np.float32]]:
        """Each value (B, …) that `compute` has of the network, clips and masks; zeros where u keeps no frame.

        Clips may come as the frames that u keeps.
        """
        check_device(self.device)
        network = self._form.get()
        pixels = torch.as_tensor(clips)
        ends = np.append(0, u.sum(1).cumsum()) if pixels.dim() == 4 else np.arange(len(u) + 1)
        if len(pixels) != ends[-1]:
            raise InputError(f"got {len(pixels)} packed frames or clips: the masks are for {ends[-1]}")
        parts = []
        for start in range(0, len(u), self.batch_size):
            stop = min(start + self.batch_size, len(u))
            batch = (pixels[ends[start] : ends[stop]], torch.from_numpy(u[start:stop]), torch.from_numpy(v[start:stop]))
            computed = compute(network, *(each.to(self.device) for each in batch))
            parts.append([values.float().cpu() for values in computed])
        results = [torch.cat(column).numpy() for column in zip(*parts, strict=True)]
        for values in results:
            values[np.logical_not(u.any(1))] = 0
        return results

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
