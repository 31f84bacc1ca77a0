"""What a classifier answers on clips under all masks, and what a table keeps of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.masks import all_mask_bits
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.outcomes.sharing import SharedScores
from ada3d_gym.outcomes.table import CLOSE, check_bits

Answer = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Class probabilities (B, M, C) of uint8 clips (B, T, 3, H, W) under all masks; zeros where no frame is kept."""


def answering(classifier: NetworkClassifier, num_frames: int, *, shared: bool = True) -> Answer:
    """All answers of a classifier, as it is now.

    Args:
        classifier: of any masked network.
        num_frames: T.
        shared: compute what masks share once, where the network is of this package's own family; others, as converted
            ones, get one mask after the other in any case.

    Raises:
        InputError: for more masks than a table holds.
    """
    check_bits(num_frames, len(classifier.stage_names))
    network = classifier.network
    if not (shared and type(network) is MaskedResNet3d and _has_middle_taps(network)):
        return _OneByOne(classifier, num_frames)
    scores = SharedScores(network, num_frames, classifier.dtype or next(network.parameters()).dtype)

    def answer(clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = scores(torch.from_numpy(clips).to(classifier.device)).cpu().numpy()
        return found

    return answer


def _has_middle_taps(network: MaskedResNet3d) -> bool:
    kernels = (network.spec.stem_kernel[0], *(length for lengths in network.spec.temporal for length in lengths))
    return all(length % 2 for length in kernels)


class _OneByOne:
    """Mask after mask."""

    def __init__(self, classifier: NetworkClassifier, num_frames: int):
        self._classifier = classifier
        self._u, self._v = all_mask_bits(num_frames, len(classifier.stage_names))

    def __call__(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        size, scores = self._classifier.batch_size, []
        for clip in clips:
            for start in range(0, len(self._u), size):
                u, v = self._u[start : start + size], self._v[start : start + size]
                scores.append(self._classifier.scores_of(clip[None], np.zeros(len(u), np.int64), u, v))
        return np.concatenate(scores).reshape(len(clips), len(self._u), -1)


@dataclass(frozen=True)
class Cells:
    """What a table keeps of the answers on B clips; see `OutcomeTable`.

    Attributes:
        correct: (B, ceil(M / 8)) uint8.
        close_count: (B,) int64, how many of `close_mask` (X,) uint16 and `close_margin` (X,) float16 are each clip's.
        parts: (B, M) each, by name.
    """

    correct: NDArray[np.uint8]
    close_count: NDArray[np.int64]
    close_mask: NDArray[np.uint16]
    close_margin: NDArray[np.float16]
    parts: dict[str, NDArray[np.generic]]


def cells_of(
    scores: NDArray[np.float32], targets: NDArray[np.bool_], num_stages: int, parts: Sequence[str] = (), coarse: int = 1
) -> Cells:
    """The cells of answers (B, M, C), where clips have the labels `targets` (B, C), with parts of these names.

    Margins are kept below `coarse` times `CLOSE`.
    """
    prediction = scores.argmax(2)
    keeps_frames = np.arange(scores.shape[1]) >= 2**num_stages
    correct = np.take_along_axis(targets, prediction, 1) & keeps_frames
    ranked = (
        np.partition(scores, -2, axis=2)[:, :, -2:]
        if scores.shape[2] > 1
        else np.pad(scores, ((0, 0),) * 2 + ((1, 0),))
    )
    margin = ranked[:, :, 1] - ranked[:, :, 0]
    kept_margin = margin.astype(np.float16)
    close = (kept_margin < np.float16(CLOSE * coarse)) & keeps_frames
    return Cells(
        correct=np.packbits(correct, axis=1),
        close_count=close.sum(1),
        close_mask=close.nonzero()[1].astype(np.uint16),
        close_margin=kept_margin[close],
        parts={name: _part(name, scores, targets[:, None], prediction, ranked[:, :, 1], margin) for name in parts},
    )


def _part(
    name: str,
    scores: NDArray[np.float32],
    targets: NDArray[np.bool_],
    prediction: NDArray[np.int64],
    top: NDArray[np.float32],
    margin: NDArray[np.float32],
) -> NDArray[np.generic]:
    if name == "prediction":
        return prediction.astype(np.uint8 if scores.shape[2] <= 2**8 else np.uint16)
    if name == "label":
        values = np.minimum((scores * targets).sum(2), 1)
    elif name == "label_margin":
        values = np.where(targets, scores, 0).max(2) - np.where(targets, 0, scores).max(2)
    else:
        values = {"confidence": top, "margin": margin}[name]
    cells: NDArray[np.float16] = values.astype(np.float16)
    return cells
