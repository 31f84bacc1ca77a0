"""Networks as static graphs, which `torch.export` and ONNX can hold.

Which frames a clip keeps is a matter of its pixels, and a tracer cannot follow that. So a policy and its classifier
become several graphs. One chooses the masks. Each stage mask has a graph of the classifier, whose stages are on or off
for good and whose number of kept frames is free. What lies between them, taking the frames that are kept, is one line
of NumPy: `clip[u]`.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ada3d_gym.errors import InputError
from ada3d_gym.networks.conversion.convert import ClipAverage, ConvertedNetwork, MaskedConv3d
from ada3d_gym.networks.folding import folding
from ada3d_gym.networks.graph_x3d import X3dForm
from ada3d_gym.networks.inference import FoldedBottleneck, FoldedConv, inference_form
from ada3d_gym.networks.masked import MaskedNetwork
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.selection import SelectionNetwork, greedy
from ada3d_gym.networks.x3d import MaskedX3d


class Graph(nn.Module, ABC):
    """A module of one input and no choices, for a tracer.

    Attributes:
        input_name, output_names: of its tensors in files.
        dynamic: names of the axes of the input that are free, by position.
    """

    input_name: str
    output_names: tuple[str, ...]
    dynamic: ClassVar[dict[int, str]]

    @abstractmethod
    def example(self) -> Tensor:
        """An input to trace it with; each of its free axes is longer than 1, which tracers take for a constant."""


class SelectionGraph(Graph):
    """A selection network: uint8 clips (B, T, 3, H, W) to logits of frames (B, T) and stages (B, K), and the masks.

    The masks, bool, are what the policy keeps (see `greedy`). B is free.

    Args:
        selection: stays as it is.
        size: H and W, in pixels.

    Raises:
        InputError: for a network that is shown features of frames.
    """

    input_name = "clips"
    output_names = ("frame_logits", "stage_logits", "frame_mask", "stage_mask")
    dynamic: ClassVar = {0: "batch"}

    def __init__(self, selection: SelectionNetwork, size: int):
        super().__init__()
        if selection.trunk.sees == "features":
            raise InputError(
                "this selection network is shown features of frames, not pixels, so its graph would begin in the "
                "middle: export one that was trained on pixels (--observation pixels)"
            )
        self.selection, self.size = copy.deepcopy(selection).cpu().float().eval().requires_grad_(False), size
        for module in self.selection.modules():
            if isinstance(module, nn.Sequential):
                _fold_batch_norm(module)
        self.eval()

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        logits = self.selection(clips)
        return (*logits, *greedy(logits))

    def example(self) -> Tensor:
        return torch.zeros(2, self.selection.trunk.num_frames, 3, self.size, self.size, dtype=torch.uint8)


class ClassifierGraph(Graph):
    """A masked network under one stage mask: the kept frames (B, N, 3, H, W), uint8, of B clips that keep N each, to
    logits and probabilities (B, C). B and N are free, from 1.

    Args:
        form: normalised frames (B * N, 3, H, W), B and N to logits (B, C).
        pixels: normalises frames.
        size: H and W, in pixels.
    """

    input_name = "frames"
    output_names = ("logits", "scores")
    dynamic: ClassVar = {0: "batch", 1: "kept"}

    def __init__(self, form: nn.Module, pixels: nn.Module, size: int):
        super().__init__()
        self.form, self.pixels, self.size = form, pixels, size
        self.cpu().float().eval().requires_grad_(False)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        batch, kept = frames.shape[:2]
        logits = self.form(self.pixels(frames.flatten(0, 1)), batch, kept)
        return logits, logits.softmax(1)

    def example(self) -> Tensor:
        return torch.zeros(2, 3, 3, self.size, self.size, dtype=torch.uint8)


def classifier_graph(network: MaskedNetwork, v: Sequence[bool], size: int) -> ClassifierGraph:
    """The graph of a masked network under a stage mask; the network stays as it is.

    Args:
        network: one of this package's, or one that `convert` has made.
        v: which of its K stages are on.
        size: side of the clips, in pixels.

    Raises:
        InputError: for another number of stages, and for a kind of network that has no graph.
    """
    if len(v) != network.num_stages:
        expected = f"{network.num_stages} ({', '.join(network.stage_names)})"
        raise InputError(f"a stage mask of {len(v)} bits: expected {expected}")
    if isinstance(network, MaskedResNet3d):
        return ClassifierGraph(_ResNetForm(network, v), copy.deepcopy(network.pixels), size)
    if isinstance(network, MaskedX3d):
        with folding(torch.float32):
            return ClassifierGraph(X3dForm(network, v), copy.deepcopy(network.pixels), size)
    if isinstance(network, ConvertedNetwork):
        return ClassifierGraph(_ConvertedForm(network, v), copy.deepcopy(network.pixels), size)
    raise InputError(
        f"{type(network).__name__} has no graph: expected a network of ada3d_gym.networks.spec.SPECS, or one that "
        "ada3d_gym.networks.conversion.convert has made"
    )


class _Conv(nn.Module):
    """A folded convolution over the frames of clips that all keep as many, its stage on or off for good."""

    def __init__(self, conv: FoldedConv, v: Sequence[bool]):
        super().__init__()
        length = conv.weight.shape[2]
        self.looks_across = length > 1 and bool(v[conv.stage])
        self.weight = nn.Buffer(conv.weight.clone() if self.looks_across else conv.weight[:, :, length // 2].clone())
        self.bias, self.stride = conv.bias, conv.stride
        self.padding = [side // 2 for side in self.weight.shape[2:]]

    def forward(self, frames: Tensor, batch: int, kept: int) -> Tensor:
        """(B * N, C, H, W) to (B * N, C', H', W')."""
        if not self.looks_across:
            return F.conv2d(frames, self.weight, self.bias, self.stride, self.padding)
        clips = frames.unflatten(0, (batch, kept)).transpose(1, 2)  # (B, C, N, H, W)
        out = F.conv3d(clips, self.weight, self.bias, (1, self.stride, self.stride), self.padding)
        return out.transpose(1, 2).flatten(0, 1)


class _Block(nn.Module):
    def __init__(self, block: FoldedBottleneck, v: Sequence[bool]):
        super().__init__()
        self.a, self.b, self.c = (_Conv(conv, v) for conv in (block.a, block.b, block.c))
        self.shortcut = None if block.shortcut is None else _Conv(block.shortcut, v)

    def forward(self, frames: Tensor, batch: int, kept: int) -> Tensor:
        out = F.relu(self.a(frames, batch, kept))
        out = self.c(F.relu(self.b(out, batch, kept)), batch, kept)
        return F.relu(out + (frames if self.shortcut is None else self.shortcut(frames, batch, kept)))


class _ResNetForm(nn.Module):
    """A `MaskedResNet3d`, batch norm folded."""

    def __init__(self, network: MaskedResNet3d, v: Sequence[bool]):
        super().__init__()
        folded = inference_form(network).cpu()
        assert isinstance(folded.stem, FoldedConv)
        self.stem, self.pool, self.head = _Conv(folded.stem, v), folded.pool, folded.head
        blocks = (module for module in folded.modules() if isinstance(module, FoldedBottleneck))
        self.blocks = nn.ModuleList(_Block(block, v) for block in blocks)

    def forward(self, frames: Tensor, batch: int, kept: int) -> Tensor:
        frames = self.pool(F.relu(self.stem(frames, batch, kept)))
        for block in self.blocks:
            frames = block(frames, batch, kept)
        logits: Tensor = self.head(frames.mean((2, 3)).unflatten(0, (batch, kept)).mean(1))
        return logits


class _ConvertedForm(nn.Module):
    """The dense network that a `ConvertedNetwork` was made from, with the centre taps alone where a stage is off."""

    def __init__(self, network: ConvertedNetwork, v: Sequence[bool]):
        super().__init__()
        self.dense = copy.deepcopy(network.network)
        for name, module in list(self.dense.named_modules()):
            if isinstance(module, MaskedConv3d):
                self.dense.set_submodule(name, _dense_conv(module, module.stage >= 0 and bool(v[module.stage])))
            elif isinstance(module, ClipAverage):
                self.dense.set_submodule(name, nn.AdaptiveAvgPool3d((1, *_pair(module.output_size))))

    def forward(self, frames: Tensor, batch: int, kept: int) -> Tensor:
        logits: Tensor = self.dense(frames.unflatten(0, (batch, kept)).transpose(1, 2))
        return logits


def _dense_conv(conv: MaskedConv3d, on: bool) -> nn.Conv3d:
    """The `nn.Conv3d` that a masked one computes while its stage is on, or off."""
    kernel = conv.weight if on else conv.weight[:, :, conv.weight.shape[2] // 2, None]
    out, each, length, height, width = kernel.shape
    dense = nn.Conv3d(
        each * conv.groups,
        out,
        (length, height, width),
        (1, *_pair(conv.stride)),
        (conv.time_dilation * (length // 2), *_pair(conv.padding)),
        (conv.time_dilation, *_pair(conv.dilation)),
        conv.groups,
        conv.bias is not None,
    )
    dense.weight, dense.bias = nn.Parameter(kernel.detach().clone()), conv.bias
    return dense


def _pair(size: Any) -> tuple[int, int]:
    """Of a height and a width, or of one number for both."""
    height, width = (size, size) if isinstance(size, int) else size
    return height, width


def _fold_batch_norm(layers: nn.Sequential) -> None:
    """Each convolution of a chain takes the batch norm behind it in."""
    for before, after in zip(range(len(layers)), range(1, len(layers)), strict=False):
        conv, norm = layers[before], layers[after]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers[before], layers[after] = fuse_conv_bn_eval(conv, norm), nn.Identity()
