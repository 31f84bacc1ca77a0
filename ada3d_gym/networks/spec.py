"""What a 3D residual network is made of: one table per network, shared by the modules and the MAC count."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from ada3d_gym.errors import InputError

STAGE_NAMES = ("conv1", "res2", "res3", "res4", "res5")


@dataclass(frozen=True)
class ConvSpec:
    """One convolution. `kernel` is (time, side); `stride` and padding are spatial; time is never strided."""

    name: str
    stage: int  # index into STAGE_NAMES
    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    stride: int
    side: int  # of the frames that enter it, in pixels
    groups: int = 1  # of channels; as many as there are where each channel is by itself

    @property
    def out_side(self) -> int:
        return -(-self.side // self.stride)


class NetworkSpec(ABC):
    """The table of a network of this package's own families."""

    name: str

    @property
    @abstractmethod
    def stages(self) -> tuple[int, ...]:
        """The stages that have a 3D convolution and so a bit in the stage mask, as indices into STAGE_NAMES."""

    @property
    def num_stages(self) -> int:
        """K, the length of the stage mask."""
        return len(self.stages)

    @property
    @abstractmethod
    def features(self) -> int:
        """Channels that reach the last layer."""

    @abstractmethod
    def convolutions(self, size: int) -> Iterator[ConvSpec]:
        """Every convolution over frames, in forward order, for square frames of `size` pixels."""

    def clip_macs(self, classes: int) -> int:
        """MACs of what is computed once for a clip, as the last layer."""
        return self.features * classes

    def largest_map(self, size: int) -> int:
        """Values of a frame of `size` pixels in the largest feature map."""
        return max(conv.out_channels * conv.out_side**2 for conv in self.convolutions(size))


@dataclass(frozen=True)
class ResNet3dSpec(NetworkSpec):
    """A bottleneck ResNet whose stem and first bottleneck convolutions may look across time (PySlowFast's layout).

    Attributes:
        name: as in checkpoints and on command lines.
        stem_width, stem_kernel: channels, and (time, side) of the first convolution, spatial stride 2.
        stem_pool: a 3x3 max pool of stride 2 after the stem.
        depths: blocks in res2 to res5.
        widths: inner channels of res2 to res5; a stage puts out `expansion` times as many.
        temporal: kernel length over time of each block's first convolution, stage by stage.
    """

    name: str
    stem_width: int
    stem_kernel: tuple[int, int]
    stem_pool: bool
    depths: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]
    temporal: tuple[tuple[int, ...], ...]
    expansion: int = 4

    def __post_init__(self) -> None:
        if tuple(len(kernels) for kernels in self.temporal) != self.depths:
            raise InputError(f"{self.name}: temporal kernels {self.temporal} do not fit depths {self.depths}")

    @property
    def stages(self) -> tuple[int, ...]:
        """The stages that have a 3D convolution and so a bit in the stage mask, as indices into STAGE_NAMES."""
        kernels = ((self.stem_kernel[0],), *self.temporal)
        return tuple(stage for stage, lengths in enumerate(kernels) if max(lengths) > 1)

    @property
    def features(self) -> int:
        """Channels that reach the head."""
        return self.widths[-1] * self.expansion

    def convolutions(self, size: int) -> Iterator[ConvSpec]:
        """Every convolution in forward order for square frames of `size` pixels; a block's shortcut comes last."""
        stem = ConvSpec("stem", 0, 3, self.stem_width, self.stem_kernel, 2, size)
        yield stem
        channels, side = self.stem_width, stem.out_side
        if self.stem_pool:
            side = -(-side // 2)
        for stage, (width, kernels) in enumerate(zip(self.widths, self.temporal, strict=True), start=1):
            for block, length in enumerate(kernels):
                name = f"{STAGE_NAMES[stage]}.{block}"
                stride = 2 if block == 0 and stage > 1 else 1
                out = width * self.expansion
                yield ConvSpec(f"{name}.a", stage, channels, width, (length, 1), 1, side)
                spatial = ConvSpec(f"{name}.b", stage, width, width, (1, 3), stride, side)
                yield spatial
                yield ConvSpec(f"{name}.c", stage, width, out, (1, 1), 1, spatial.out_side)
                if block == 0:
                    yield ConvSpec(f"{name}.shortcut", stage, channels, out, (1, 1), stride, side)
                channels, side = out, spatial.out_side


@dataclass(frozen=True)
class X3dSpec(NetworkSpec):
    """An X3D: bottlenecks whose middle convolution looks across time and space, one channel at a time.

    Every other block, from the first of each stage on, has a gate (squeeze and excitation). The stem is a convolution
    over space and one over time.

    Attributes:
        name: as on command lines.
        frames, stride, side: of the clips that published weights were trained on: how many frames, how far apart, and
            their side in pixels.
        stem_width: channels of the stem.
        depths: blocks in res2 to res5.
        widths: channels that res2 to res5 put out; inside of a block there are `expansion` times as many.
        head_width: channels that reach the last layer.
    """

    name: str
    frames: int
    stride: int
    side: int
    stem_width: int = 24
    depths: tuple[int, int, int, int] = (3, 5, 11, 7)
    widths: tuple[int, int, int, int] = (24, 48, 96, 192)
    expansion: float = 2.25
    head_width: int = 2048

    @property
    def stages(self) -> tuple[int, ...]:
        return tuple(range(len(STAGE_NAMES)))

    @property
    def features(self) -> int:
        return self.head_width

    def inner(self, stage: int) -> int:
        """Channels inside of the blocks of a stage, 1 to 4."""
        return int(self.expansion * self.widths[stage - 1])

    def gate(self, stage: int) -> int:
        """Channels that a gate of a stage, 1 to 4, squeezes its input to: a sixteenth, rounded to eights."""
        width = self.inner(stage) / 16
        rounded = max(8, int(width + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * width else rounded

    def has_gate(self, block: int) -> bool:
        """Whether a block of a stage, counted from 0, has a gate."""
        return block % 2 == 0

    def clip_macs(self, classes: int) -> int:
        gates = sum(
            2 * self.inner(stage) * self.gate(stage)
            for stage, depth in enumerate(self.depths, start=1)
            for block in range(depth)
            if self.has_gate(block)
        )
        return gates + self.inner(4) * self.head_width + self.head_width * classes

    def convolutions(self, size: int) -> Iterator[ConvSpec]:
        """Every convolution over frames, in forward order; a block's shortcut comes last, `conv5` after all blocks."""
        stem = ConvSpec("stem_xy", 0, 3, self.stem_width, (1, 3), 2, size)
        yield stem
        channels, side = self.stem_width, stem.out_side
        yield ConvSpec("stem", 0, channels, channels, (5, 1), 1, side, channels)
        for stage, (width, depth) in enumerate(zip(self.widths, self.depths, strict=True), start=1):
            inner = self.inner(stage)
            for block in range(depth):
                name = f"{STAGE_NAMES[stage]}.{block}"
                stride = 2 if block == 0 else 1
                yield ConvSpec(f"{name}.a", stage, channels, inner, (1, 1), 1, side)
                middle = ConvSpec(f"{name}.b", stage, inner, inner, (3, 3), stride, side, inner)
                yield middle
                yield ConvSpec(f"{name}.c", stage, inner, width, (1, 1), 1, middle.out_side)
                if block == 0:
                    yield ConvSpec(f"{name}.shortcut", stage, channels, width, (1, 1), stride, side)
                channels, side = width, middle.out_side
        yield ConvSpec("conv5", 4, channels, self.inner(4), (1, 1), 1, side)


def _alternating(first: int, depths: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Temporal kernels 3, 1, 3, 1 … within a stage; res2 is all 3 and the last stage starts with `first`."""
    res2, *middle, res5 = depths
    return (
        (3,) * res2,
        *(tuple(3 if block % 2 == 0 else 1 for block in range(depth)) for depth in middle),
        tuple(3 if (block % 2 == 0) == (first == 3) else 1 for block in range(res5)),
    )


_R50 = (3, 4, 6, 3)

I3D_R50 = ResNet3dSpec("i3d_r50", 64, (5, 7), True, _R50, (64, 128, 256, 512), _alternating(1, _R50))
SLOWONLY_R50 = ResNet3dSpec(
    "slowonly_r50", 64, (1, 7), True, _R50, (64, 128, 256, 512), ((1,) * 3, (1,) * 4, (3,) * 6, (3,) * 3)
)
# For MotionShapes: I3D's five stages and SlowOnly's two at a size that two CPU cores train in minutes.
_TINY = (1, 1, 1, 1)
I3D_TINY = ResNet3dSpec("i3d_tiny", 16, (5, 3), False, _TINY, (8, 16, 32, 64), ((3,), (3,), (3,), (3,)))
SLOWONLY_TINY = ResNet3dSpec("slowonly_tiny", 16, (1, 3), False, _TINY, (8, 16, 32, 64), ((1,), (1,), (3,), (3,)))
# Between the two, for small sets of one's own: a stem pool, since early layers at full size are bound by memory.
I3D_SMALL = ResNet3dSpec("i3d_small", 32, (5, 5), True, (1, 2, 2, 1), (16, 32, 64, 128), ((3,), (3, 1), (3, 1), (3,)))

# One network, trained on clips of three kinds; and one of its make for the first tries, of no published weights.
X3D_XS = X3dSpec("x3d_xs", frames=4, stride=12, side=160)
X3D_S = X3dSpec("x3d_s", frames=13, stride=6, side=160)
X3D_M = X3dSpec("x3d_m", frames=16, stride=5, side=224)
X3D_TINY = X3dSpec("x3d_tiny", 8, 1, 32, stem_width=8, depths=_TINY, widths=(8, 16, 32, 64), head_width=128)

SPECS: dict[str, NetworkSpec] = {
    spec.name: spec
    for spec in (I3D_R50, SLOWONLY_R50, I3D_TINY, SLOWONLY_TINY, I3D_SMALL, X3D_XS, X3D_S, X3D_M, X3D_TINY)
}
