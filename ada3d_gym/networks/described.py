"""What networks that are made from a table of this package have in common."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from ada3d_gym.networks.macs import MacCounter
from ada3d_gym.networks.masked import MaskedNetwork, Packing
from ada3d_gym.networks.packing import REACH
from ada3d_gym.networks.pixels import Pixels
from ada3d_gym.networks.spec import STAGE_NAMES, ConvSpec, NetworkSpec


class DescribedNetwork(MaskedNetwork):
    """A network of this package's own families: packed frames in, the mean over each clip, a linear layer.

    Attributes:
        spec: the network's table.
        pixels: how bytes are normalised.
        head: the last layer.
    """

    spec: NetworkSpec
    pixels: Pixels
    dropout: nn.Dropout
    head: nn.Linear
    dummies = 0  # frames beside those of the clips, see `Packing`

    def _add_head(self, classes: int, dropout: float) -> None:
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.spec.features, classes)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    @property
    def stage_names(self) -> tuple[str, ...]:
        return tuple(STAGE_NAMES[stage] for stage in self.spec.stages)

    @property
    def classes(self) -> int:
        return self.head.out_features

    @property
    def features(self) -> int:
        return self.head.in_features

    def count(self, size: int) -> MacCounter:
        return MacCounter.of_spec(self.spec, size, self.classes)

    def largest_map(self, size: int) -> int:
        return self.spec.largest_map(size)

    def forward(self, clips: Tensor, u: Tensor, v: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(self._features(clips, u, v)))
        return logits

    def with_features(self, clips: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        features = self._features(clips, u, v)
        return features, self.head(self.dropout(features))

    def _features(self, clips: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """(B, D), what describes each clip to the last layer."""
        packing = Packing(u, v, self.dummies)
        frames = packing.pack(clips)
        if frames.dtype == torch.uint8:
            frames = self.pixels(frames)
        features = self._of_frames(frames.contiguous(memory_format=torch.channels_last), packing)
        return features[: len(u)] if self.dummies else features

    def compile_for_inference(self, backend: str = "inductor") -> None:
        """Has `torch.compile` make the code of what comes after the stem, once for all numbers of frames and clips.

        Args:
            backend: of `torch.compile`.
        """
        self.dummies = REACH + 1
        self._of_stem = torch.compile(self._of_stem, dynamic=True, backend=backend)  # type: ignore[method-assign]

    @abstractmethod
    def _of_frames(self, frames: Tensor, packing: Packing) -> Tensor:
        """`_features` of packed frames (N, 3, H, W), normalised, channels last."""

    @abstractmethod
    def _of_stem(self, frames: Tensor, packing: Packing) -> Tensor:
        """`_features` of what the stem puts out, (N, C, H, W)."""


def by_block(spec: NetworkSpec) -> dict[str, dict[str, ConvSpec]]:
    """The convolutions of each block by the part that they are; those outside of blocks are under ""."""
    blocks: dict[str, dict[str, ConvSpec]] = {}
    for conv in spec.convolutions(size=224):  # sizes do not shape weights
        block, _, part = conv.name.rpartition(".")
        blocks.setdefault(block, {})[part] = conv
    return blocks
