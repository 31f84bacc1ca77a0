"""The I3D family as one module over packed frames."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.networks.channelwise import ChannelwiseConv
from ada3d_gym.networks.described import DescribedNetwork, by_block
from ada3d_gym.networks.masked import Packing, TemporalConv
from ada3d_gym.networks.pixels import Pixels
from ada3d_gym.networks.recomputing import recomputed
from ada3d_gym.networks.spec import STAGE_NAMES, ConvSpec, ResNet3dSpec


class ConvNorm(nn.Module):
    """A temporal convolution and the batch norm over the packed frames."""

    def __init__(self, conv: ConvSpec, stages: tuple[int, ...]):
        super().__init__()
        stage = stages.index(conv.stage) if conv.kernel[0] > 1 else -1
        self.conv = (
            TemporalConv(conv.in_channels, conv.out_channels, conv.kernel, conv.stride, stage)
            if conv.groups == 1
            else ChannelwiseConv(conv.out_channels, conv.kernel, conv.stride, stage)
        )
        self.norm = nn.BatchNorm2d(conv.out_channels)

    def forward(self, frames: Tensor, packing: Packing) -> Tensor:
        normed: Tensor = self.norm(self.conv(frames, packing))
        return normed


class Bottleneck(nn.Module):
    """PySlowFast's bottleneck: a (t, 1, 1), b (1, 3, 3) with the stride, c (1, 1, 1), and a shortcut."""

    def __init__(self, convs: dict[str, ConvSpec], stages: tuple[int, ...]):
        super().__init__()
        self.a, self.b, self.c = (ConvNorm(convs[part], stages) for part in "abc")
        self.shortcut = ConvNorm(convs["shortcut"], stages) if "shortcut" in convs else None

    def forward(self, frames: Tensor, packing: Packing) -> Tensor:
        out = F.relu(self.a(frames, packing), inplace=True)
        out = F.relu(self.b(out, packing), inplace=True)
        out = self.c(out, packing)
        out += frames if self.shortcut is None else self.shortcut(frames, packing)
        return F.relu(out, inplace=True)


class MaskedResNet3d(DescribedNetwork):
    """A 3D ResNet that computes only the frames and temporal taps each clip keeps.

    Args:
        spec: the network's table.
        classes: C.
        dropout: before the last layer, as in PySlowFast (0.5).
    """

    spec: ResNet3dSpec

    def __init__(self, spec: ResNet3dSpec, classes: int, dropout: float = 0.5):
        super().__init__()
        self.spec = spec
        self.pixels = Pixels()
        blocks = by_block(spec)
        self.stem: nn.Module = ConvNorm(blocks.pop("")["stem"], spec.stages)
        self.pool = nn.MaxPool2d(3, 2, 1) if spec.stem_pool else nn.Identity()
        self.blocks = nn.ModuleDict({name: nn.ModuleList() for name in STAGE_NAMES[1:]})
        for name, convs in blocks.items():
            stage = self.blocks[name.partition(".")[0]]
            assert isinstance(stage, nn.ModuleList)
            stage.append(Bottleneck(convs, spec.stages))
        self._add_head(classes, dropout)

    def _of_frames(self, frames: Tensor, packing: Packing) -> Tensor:
        """Averaged over space and each clip's kept frames."""
        return self._of_stem(self.pool(F.relu(self.stem(frames, packing), inplace=True)), packing)

    def _of_stem(self, frames: Tensor, packing: Packing) -> Tensor:
        for stage in self.blocks.values():
            for block in stage:  # type: ignore[attr-defined]
                frames = recomputed(block, frames, packing) if self.recompute else block(frames, packing)
        return packing.mean(frames.mean((2, 3)))
