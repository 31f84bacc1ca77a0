"""X3D (Feichtenhofer, 2020) as one module over packed frames.

Its convolutions over time are channelwise: 5 x 1 x 1 in the stem, 3 x 3 x 3 in each block. With a stage off, each is
its centre tap, as in other networks here.

A gate (squeeze and excitation) scales channels by what their mean over the clip says. That mean is over the frames that
the clip keeps, whether the stage is on or off. So a masked clip gives the numbers of the dense network on the kept
frames, with the kernels of stages that are off cut to their centre taps. A gate is no convolution over time: it mixes
no two frames, and it cannot tell in which order they come. A mean over each frame by itself would make a stage that is
off wholly 2D, but would show the gates statistics that they were not trained on, and would cost more.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.networks.channelwise import ChannelwiseConv
from ada3d_gym.networks.described import DescribedNetwork, by_block
from ada3d_gym.networks.masked import Packing, TemporalConv
from ada3d_gym.networks.passes import in_passes
from ada3d_gym.networks.pixels import Pixels
from ada3d_gym.networks.recomputing import recomputed
from ada3d_gym.networks.resnet3d import ConvNorm
from ada3d_gym.networks.spec import STAGE_NAMES, ConvSpec, X3dSpec


class Stem(nn.Module):
    """A convolution over space, one over time, batch norm and ReLU."""

    def __init__(self, space: ConvSpec, time: ConvSpec):
        super().__init__()
        self.conv_xy = TemporalConv(space.in_channels, space.out_channels, space.kernel, space.stride, stage=-1)
        self.conv = ChannelwiseConv(time.out_channels, time.kernel, time.stride, stage=0)
        self.norm = nn.BatchNorm2d(time.out_channels)

    def forward(self, frames: Tensor, packing: Packing) -> Tensor:
        """(N, 3, H, W) to (N, C, H', W')."""
        return F.relu(self.norm(self.conv(self.conv_xy(frames, packing), packing)), inplace=True)


class Gate(nn.Module):
    """Squeeze and excitation: what the channels of packed frames are scaled by, for each clip.

    Args:
        channels: of the frames.
        squeezed: channels between the two layers.
    """

    def __init__(self, channels: int, squeezed: int):
        super().__init__()
        self.squeeze, self.excite = nn.Linear(channels, squeezed), nn.Linear(squeezed, channels)

    def forward(self, means: Tensor) -> Tensor:
        """Means (B, C) over each clip's kept frames to factors (B, C) in (0, 1)."""
        return torch.sigmoid(self.excite(F.relu(self.squeeze(means))))


class ShortcutNorm(nn.BatchNorm2d):
    """A batch norm that a checkpoint may go without: PySlowFast's X3D has one on each shortcut, pytorchvideo's none on
    that of res2.

    Attributes:
        used: whether it does anything; a part of the state.
    """

    used = True

    def forward(self, frames: Tensor) -> Tensor:
        return super().forward(frames) if self.used else frames

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.used)

    def set_extra_state(self, state: Tensor) -> None:
        self.used = bool(state)


class GatedBottleneck(nn.Module):
    """X3D's block: a (1, 1, 1), b (3, 3, 3) channelwise with the stride, swish, c (1, 1, 1); a gate in some."""

    def __init__(self, convs: dict[str, ConvSpec], stages: tuple[int, ...], squeezed: int | None):
        super().__init__()
        self.a, self.b, self.c = (ConvNorm(convs[part], stages) for part in "abc")
        self.gate = None if squeezed is None else Gate(convs["b"].out_channels, squeezed)
        self.shortcut = ConvNorm(convs["shortcut"], stages) if "shortcut" in convs else None
        if self.shortcut is not None and convs["shortcut"].in_channels == convs["shortcut"].out_channels:
            self.shortcut.norm = ShortcutNorm(convs["shortcut"].out_channels)

    def forward(self, frames: Tensor, packing: Packing) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        out = self.b(F.relu(self.a(frames, packing), inplace=True), packing)
        if self.gate is not None:
            factors = self.gate(packing.mean(out.mean((2, 3))))
            out = out * factors.index_select(0, packing.clip)[:, :, None, None]
        out = self.c(F.silu(out), packing)
        out += frames if self.shortcut is None else self.shortcut(frames, packing)
        return F.relu(out, inplace=True)


class MaskedX3d(DescribedNetwork):
    """An X3D that computes only the frames and temporal taps each clip keeps.

    The head takes the mean over all of a clip's kept frames and all places. On frames larger than those that it was
    trained on, PySlowFast's and pytorchvideo's heads take one for each window of the trained size, and average
    probabilities; on frames of that size they are the same.

    Args:
        spec: the network's table.
        classes: C.
        dropout: before the last layer, as in PySlowFast (0.5).

    Attributes:
        in_passes: whether each thread of a CPU takes a few clips at a time, as it does in the inference form. In
            training, batch norm is over the whole batch.
    """

    spec: X3dSpec
    in_passes = False

    def __init__(self, spec: X3dSpec, classes: int, dropout: float = 0.5):
        super().__init__()
        self.spec = spec
        self.pixels = Pixels()
        blocks = by_block(spec)
        outside = blocks.pop("")
        self.stem: nn.Module = Stem(outside["stem_xy"], outside["stem"])
        self.blocks = nn.ModuleDict({name: nn.ModuleList() for name in STAGE_NAMES[1:]})
        for name, convs in blocks.items():
            stage_name, _, number = name.partition(".")
            stage = self.blocks[stage_name]
            assert isinstance(stage, nn.ModuleList)
            squeezed = spec.gate(convs["b"].stage) if spec.has_gate(int(number)) else None
            stage.append(GatedBottleneck(convs, spec.stages, squeezed))
        self.conv5: nn.Module = ConvNorm(outside["conv5"], spec.stages)
        self.lin5 = nn.Linear(outside["conv5"].out_channels, spec.head_width, bias=False)
        self._add_head(classes, dropout)

    def _features(self, clips: Tensor, u: Tensor, v: Tensor) -> Tensor:
        features = super()._features
        return in_passes(features, clips, u, v) if self.in_passes else features(clips, u, v)

    def _of_frames(self, frames: Tensor, packing: Packing) -> Tensor:
        return self._of_stem(self.stem(frames, packing), packing)

    def _of_stem(self, frames: Tensor, packing: Packing) -> Tensor:
        for stage in self.blocks.values():
            for block in stage:  # type: ignore[attr-defined]
                frames = recomputed(block, frames, packing) if self.recompute else block(frames, packing)
        frames = F.relu(self.conv5(frames, packing), inplace=True)
        return F.relu(self.lin5(packing.mean(frames.mean((2, 3)))))
