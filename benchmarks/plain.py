"""Plain 3D networks as rivals: everything is computed, and nothing is made for masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models.video import r3d_18

from ada3d_gym.errors import InputError
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.networks.pixels import Pixels

Name = Literal["r3d_18", "small3d"]


def small3d(classes: int, widths: tuple[int, ...] = (16, 32, 64, 128, 128)) -> nn.Module:
    """Convolutions 3 x 3 x 3 with batch norm and ReLU, pools of 2 x 2 pixels between, a mean and a linear layer."""
    layers: list[nn.Module] = []
    for channels, out in zip((3, *widths), widths, strict=False):
        layers += [nn.MaxPool3d((1, 2, 2))] if channels > 3 else []
        layers += [nn.Conv3d(channels, out, 3, padding=1, bias=False), nn.BatchNorm3d(out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(widths[-1], classes))


@dataclass(frozen=True)
class Recipe:
    """How a rival is made and trained.

    Attributes:
        make: the network with random weights, by its number of classes.
        lr: of AdamW at the most.
        weight_decay: of AdamW.
        batch: clips in an update.
    """

    make: Callable[[int], nn.Module]
    lr: float
    weight_decay: float = 0.05
    batch: int = 32


RIVALS: dict[Name, Recipe] = {
    "r3d_18": Recipe(lambda classes: r3d_18(num_classes=classes), lr=5e-4, batch=16),
    "small3d": Recipe(small3d, lr=2e-3),
}


class PlainClassifier:
    """A dense 3D network as a bandit's classifier, with one stage that is always on; see `protocols.Classifier`."""

    stage_names: tuple[str, ...] = ("all",)

    def __init__(self, network: nn.Module, frames: int, size: int, device: str, batch: int = 32):
        self.network, self.device, self.batch = network.to(device), torch.device(device), batch
        self.pixels = Pixels().to(device)
        clip = torch.zeros(1, frames, 3, size, size, dtype=torch.uint8, device=device)
        self._macs = count_macs(self.network.eval(), self.shown(clip))

    def shown(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) uint8 to (B, 3, T, H, W) as the network sees it."""
        frames: Tensor = self.pixels(clips.to(self.device).flatten(0, 1))
        shown: Tensor = frames.unflatten(0, clips.shape[:2])
        return shown.transpose(1, 2)

    @torch.inference_mode()
    def scores(self, clips: NDArray[np.uint8], u: NDArray[np.bool_], v: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Class probabilities (B, C); everything must be kept."""
        if not (u.all() and v.all()):
            raise InputError("a dense network has no masks: expected every frame and stage")
        self.network.eval()
        parts = torch.from_numpy(clips).split(self.batch)
        return torch.cat([self.network(self.shown(part)).softmax(1).cpu() for part in parts]).numpy()

    def macs(self, u: NDArray[np.bool_], v: NDArray[np.bool_]) -> NDArray[np.int64]:
        """MACs (B,), of every clip the same."""
        return np.full(len(u), self._macs, np.int64)
