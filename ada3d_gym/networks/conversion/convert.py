"""Anybody's 3D CNN as a masked network: the same modules and weights, computing only what each clip keeps.

Each kept frame goes through the network as a clip of one frame, (N, C, 1, H, W), so that everything that works frame
by frame (batch norm over the packed frames, ReLU, spatial pooling, sums) is left as it is, and the network's own
`forward` runs. Only what looks across time is replaced: convolutions by ragged ones, the means over time of the head
and of gates (squeeze and excitation) by those over each clip's frames. A conversion is then tried out: a network that
mixes frames in any other way is found and refused.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ada3d_gym.networks.channelwise import by_segments, segments_conv
from ada3d_gym.networks.conversion.averages import ClipAverage as ClipAverage
from ada3d_gym.networks.conversion.averages import Current, pool_in_gates
from ada3d_gym.networks.conversion.check import ConversionError, Trial, find_stages, refuse, without_time_strides
from ada3d_gym.networks.macs import MacCounter
from ada3d_gym.networks.masked import MaskedNetwork, Packing, gathered_conv, is_large
from ada3d_gym.networks.pixels import PIXEL_MEAN, PIXEL_STD, Channels, Pixels
from ada3d_gym.networks.spans import span_conv


def convert(
    network: nn.Module,
    *,
    size: int,
    stages: Sequence[str] | None = None,
    remove_time_strides: bool = False,
    mean: Channels = PIXEL_MEAN,
    std: Channels = PIXEL_STD,
) -> ConvertedNetwork:
    """A masked network from a copy of a 3D CNN.

    Args:
        network: takes (B, 3, T, H, W) and returns logits (B, C). Its convolutions are `nn.Conv3d`, over time of odd
            length, padded to keep all frames and not strided; time ends in `nn.AdaptiveAvgPool3d` or in a mean. Gates
            take theirs by `nn.AdaptiveAvgPool3d` too, or are fvcore's, as in pytorchvideo.
        size: side of the square clips that the conversion is tried out on, in pixels.
        stages: names of modules whose temporal convolutions each share one bit of the stage mask; by default the
            topmost modules that divide the network (torchvision's stem and layer1 to layer4).
        remove_time_strides: sets strides over time to 1 and drops pools over time first, as the paper does with I3D.
            Frames are then kept to the end; the weights should be fine-tuned.
        mean, std: what the network was trained to see RGB in [0, 1] normalised by.

    Raises:
        ConversionError: naming each module that cannot follow masks, and why.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from ada3d_gym.networks.conversion.convert import convert
        >>> conv = nn.Conv3d(3, 8, kernel_size=3, stride=(1, 2, 2), padding=1)
        >>> dense = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8, 14))
        >>> network = convert(dense, size=32)
        >>> network.stage_names
        ('0',)
        >>> clips = torch.zeros(2, 8, 3, 32, 32, dtype=torch.uint8)
        >>> u, v = torch.ones(2, 8, dtype=torch.bool), torch.tensor([[True], [False]])  # the second clip in 2D
        >>> network(clips, u, v).shape
        torch.Size([2, 14])
    """
    dense = copy.deepcopy(network).eval()
    if remove_time_strides:
        without_time_strides(dense)
    pool_in_gates(dense)
    refuse(dense)
    grouped = find_stages(dense, stages)
    trial = Trial(dense, size)
    converted = ConvertedNetwork(dense, grouped, trial.classes, Pixels(mean, std), trial.gates).eval()
    if difference := trial.first_difference(converted, converted.network):
        raise ConversionError(f"{type(network).__name__} cannot be converted: {difference}")
    return converted.train(network.training)


class ConvertedNetwork(MaskedNetwork):
    """A network whose convolutions over time obey masks; made by `convert`.

    Attributes:
        network: the user's own, with its own state-dict keys. Its forward takes packed frames.
        pixels: how bytes are normalised.
    """

    def __init__(
        self, dense: nn.Module, stages: dict[str, list[str]], classes: int, pixels: Pixels, gates: Collection[str] = ()
    ):
        super().__init__()
        self.network, self.pixels = copy.deepcopy(dense), pixels
        self._stage_names, self._classes, self._current = tuple(stages), classes, Current()
        stage_of = {name: stage for stage, names in enumerate(stages.values()) for name in names}
        for name, module in list(self.network.named_modules()):
            if isinstance(module, nn.Conv3d):
                self.network.set_submodule(name, MaskedConv3d(module, stage_of.get(name, -1), self._current))
            elif isinstance(module, nn.AdaptiveAvgPool3d):
                self.network.set_submodule(name, ClipAverage(module, self._current, name in gates))

    @property
    def stage_names(self) -> tuple[str, ...]:
        return self._stage_names

    @property
    def classes(self) -> int:
        return self._classes

    def forward(self, clips: Tensor, u: Tensor, v: Tensor) -> Tensor:
        packing = Packing(u, v)
        frames = packing.pack(clips)
        if frames.dtype == torch.uint8:
            frames = self.pixels(frames)
        self._current.packing, self._current.averaged = packing, False
        frames = frames.contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.network(frames.unsqueeze(2))
        # Where the forward takes the mean over time by itself, what follows it is linear (or `convert` had refused).
        return logits if self._current.averaged else packing.mean(logits)

    def count(self, size: int) -> MacCounter:
        stage = dict.fromkeys(range(self.num_stages), 0)

        def add(module: nn.Module, _: object, out: Tensor) -> None:
            assert isinstance(module, MaskedConv3d)
            if module.stage >= 0:
                stage[module.stage] += module.weight[0, :, 1:].numel() * out[0].numel()

        hooks = [m.register_forward_hook(add) for m in self.modules() if isinstance(m, MaskedConv3d)]
        one = self._macs(1, size)
        for hook in hooks:
            hook.remove()
        frame = self._macs(2, size) - one
        return MacCounter(frame, torch.tensor(list(stage.values())).numpy(), one - frame)

    def _macs(self, frames: int, size: int) -> int:
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            self._probe(frames, size)
        return int(counter.get_total_flops()) // 2

    def _probe(self, frames: int, size: int) -> Tensor:
        """Logits of an empty clip, its stages off."""
        training = self.training
        parameter = next(self.parameters())
        clip = parameter.new_zeros(1, frames, 3, size, size)
        kept = torch.ones(1, frames, dtype=torch.bool, device=parameter.device)
        try:
            return self.eval()(clip, kept, kept.new_zeros(1, self.num_stages))  # type: ignore[no-any-return]
        finally:
            self.train(training)


class MaskedConv3d(nn.Module):
    """An `nn.Conv3d` that keeps time, over packed frames; its side taps over time follow bit `stage` (-1: none)."""

    def __init__(self, conv: nn.Conv3d, stage: int, current: Current):
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        assert not isinstance(conv.padding, str)
        self.stride, self.padding, self.dilation = conv.stride[1:], conv.padding[1:], conv.dilation[1:]
        self.time_dilation, self.groups, self.stage, self._current = conv.dilation[0], conv.groups, stage, current

    def forward(self, frames: Tensor) -> Tensor:
        """(N, C, 1, H, W) to (N, C', 1, H', W')."""
        flat, length = frames.squeeze(2), self.weight.shape[2]
        packing = self._current.packing
        if self._is_channelwise() and length > 1 and len(flat) > 1 and by_segments(flat, self.weight):
            out = segments_conv(flat, self.weight, self.stride[0], packing.segments(self.stage))
        elif self._is_pointwise() and length > 1 and len(flat) > 1 and flat.is_cpu and is_large(flat):
            out = span_conv(flat, self.weight[..., 0, 0], packing.spans(self.stage))
        else:
            out = gathered_conv(self._tap, flat, packing, self.stage, length, self.time_dilation)
        if self.bias is not None:
            out = out + self.bias.view(-1, 1, 1)
        return out.unsqueeze(2)

    def _is_pointwise(self) -> bool:
        """Nothing but a matrix for each tap."""
        return self.weight.shape[3:] == self.stride == (1, 1) and self.groups == self.time_dilation == 1

    def _is_channelwise(self) -> bool:
        """A kernel for each channel, as `ChannelwiseConv` has."""
        channels, each, _, height, width = self.weight.shape
        square = height == width and self.stride[0] == self.stride[1] and self.padding == (height // 2, width // 2)
        return square and each == 1 and channels == self.groups > 1 and {self.time_dilation, *self.dilation} == {1}

    def _tap(self, frames: Tensor, tap: int) -> Tensor:
        return F.conv2d(frames, self.weight[:, :, tap], None, self.stride, self.padding, self.dilation, self.groups)
