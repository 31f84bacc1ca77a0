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
from ada3d_gym.networks.described import DescribedNetwork
from ada3d_gym.networks.given import GivenFrames
from ada3d_gym.networks.masked import MaskedNetwork
from ada3d_gym.networks.transfer import fetched
from ada3d_gym.precision import Precision, dtype_of
from ada3d_gym.profiling import timed

FORWARD_BYTES = 2**30  # of feature maps at once
FORWARD_MAPS = 3  # of the largest at once: a convolution's input and output, and the residual

Compute = Callable[..., tuple[Tensor, ...]]
"""Values (B, …) of a network, frames that masks keep (N, 3, H, W), clip by clip, and the masks u and v."""


def _probabilities(network: MaskedNetwork, *batch: Tensor) -> tuple[Tensor, ...]:
    return (network(*batch).float().softmax(1),)


class NetworkClassifier:
    """Class probabilities of masked clips.

    Args:
        network: the masked network; its weights may change between calls, as in joint fine-tuning.
        size: side of the clips it will see, in pixels, for counting MACs.
        device: where it runs.
        batch_size: clips in one forward pass at the most. On a CPU, fewer where their feature maps would take more than
            `FORWARD_BYTES`: it is as fast with them.
        dtype: of weights and activations; the network's own by default. What it answers is float32 in any case.
        precision: the same by its name, "float32", "bfloat16" or "float16".
        compile: have `torch.compile` make the network's code, for GPUs: True for its backend "inductor", or another's
            name. The first call then takes minutes. On a CPU the plain form is faster.

    Attributes:
        micro_batch: clips in a pass of its training at the most, where whole batches take too much memory; see
            `ada3d_gym.finetuning.ClassifierTrainer`. None, all of a batch, at first.
        precision: of the passes of its training; that in which it answers, at first.
    """

    micro_batch: int | None = None

    def __init__(
        self,
        network: MaskedNetwork,
        size: int,
        *,
        device: torch.device | str = "cpu",
        batch_size: int = 128,
        dtype: torch.dtype | None = None,
        precision: Precision | None = None,
        compile: bool | str = False,
    ):
        if precision is not None:
            if dtype not in (None, dtype_of(precision)):
                raise InputError(f"precision={precision!r} beside dtype={dtype}: give one or the other")
            dtype = dtype_of(precision)
        self.precision: Precision = precision or "float32"
        self.device, self.batch_size, self.dtype = torch.device(device), batch_size, dtype
        check_device(self.device)
        self.network = network.to(device)
        if compile and not isinstance(network, DescribedNetwork):
            raise InputError(f"compile={compile!r}: {type(network).__name__} is not of ada3d_gym.networks.spec.SPECS")
        backend = "inductor" if compile is True else compile or None
        self._form = CurrentForm(self.network, dtype, backend)
        self.stage_names = network.stage_names
        self.size, self.macs = size, network.count(size)

    def scores(self, clips: NDArray[np.uint8], u: NDArray[np.bool_], v: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Softmax probabilities (B, C) float32 of uint8 clips (B, T, 3, H, W); zeros where u keeps no frame.

        Raises:
            ValueError: on a GPU, in a process forked off one that uses it.
        """
        (scores,) = self._computed(clips, u, v, _probabilities)
        return scores

    def scores_of(
        self, clips: NDArray[np.uint8], of: NDArray[np.int64], u: NDArray[np.bool_], v: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """The `scores` (B, C) of `clips[of]`, which are never made: each clip is copied to the device once.

        Args:
            clips: (A, T, 3, H, W) uint8.
            of: (B,) int64, the clip that each mask is of, in [0, A).
            u, v: masks (B, T) and (B, K).

        Raises:
            ValueError: on a GPU, in a process forked off one that uses it.
        """
        (scores,) = self._computed(clips, u, v, _probabilities, of)
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
        (scores,) = self._computed(frames, u, v, _probabilities)
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
            return features, logits.float().softmax(1)

        features, scores = self._computed(clips, u, v, compute)
        return features, scores

    @timed("classifier", counted=2)
    @torch.inference_mode()
    def _computed(
        self,
        clips: NDArray[np.uint8] | Tensor,
        u: NDArray[np.bool_],
        v: NDArray[np.bool_],
        compute: Compute,
        of: NDArray[np.int64] | None = None,
    ) -> list[NDArray[np.float32]]:
        """Each value (B, …) that `compute` has of the network, clips and masks; zeros where u keeps no frame.

        Clips may come as the frames that u keeps.
        """
        check_device(self.device)
        network = self._form.get()
        given = GivenFrames(torch.as_tensor(clips), u, of)
        size = self._in_one_pass(u.shape[1], given.side)
        parts, orders = [], []
        for rows, frames in given.batches(v, size, self.batch_size, self.device):
            masks = torch.from_numpy(u[rows]), torch.from_numpy(v[rows])  # they are packed on the host
            parts.append(compute(network, frames, *masks))
            orders.append(rows)
        order = np.concatenate(orders)
        results = []
        for values in fetched([torch.cat(column) for column in zip(*parts, strict=True)]):
            results.append(np.empty_like(values))
            results[-1][order] = values
            results[-1][np.logical_not(u.any(1))] = 0
        return results

    def _in_one_pass(self, frames: int, size: int) -> int:
        """How many clips, all of whose frames are kept."""
        each = FORWARD_MAPS * 4 * frames * self.network.largest_map(size)
        if self.device.type != "cpu" or not each:
            return self.batch_size
        return max(1, min(self.batch_size, FORWARD_BYTES // each))

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
