"""Which 3D CNNs can follow masks: what stands in the way, how its stages are found, and the proof by trying it out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ada3d_gym.errors import InputError
from ada3d_gym.networks.masked import MaskedNetwork

TIMES = 5  # frames of the clips that a conversion is tried out on: more than the side taps of a kernel of 5
TOLERANCE = 1e-3  # of the largest value; float32 differs by some 1e-6
POOLS = (nn.MaxPool3d, nn.AvgPool3d)


class ConversionError(InputError):
    """A network that cannot follow masks; the message names the modules and says why."""


def refuse(network: nn.Module) -> None:
    """Raises ConversionError with every module that is known to mix or drop frames in a way masks cannot follow."""
    problems = {name: problem for name, module in network.named_modules() if (problem := _problem(module))}
    if problems:
        listed = "\n".join(f"  {name}: {problem}" for name, problem in problems.items())
        hint = ""
        if any("stride" in problem or "pool" in problem for problem in problems.values()):
            hint = "\nremove_time_strides=True takes strides and pools over time out; fine-tune the weights then"
        raise ConversionError(f"{type(network).__name__} cannot be converted:\n{listed}{hint}")
    if not any(is_temporal(module) for module in network.modules()):
        raise ConversionError(f"{type(network).__name__} has no convolution over time (nn.Conv3d), so no stage to mask")


def is_temporal(module: nn.Module) -> bool:
    """A convolution that looks across time."""
    return isinstance(module, nn.Conv3d) and module.kernel_size[0] > 1


def _problem(module: nn.Module) -> str:
    kind = type(module).__name__
    if isinstance(module, nn.Conv3d):
        return _conv_problem(module)
    if isinstance(module, nn.ConvTranspose3d):
        return f"{kind} adds frames"
    if isinstance(module, POOLS):
        over_time = [_first(value) for value in (module.kernel_size, module.stride, module.padding)]
        if over_time != [1, 1, 0]:
            return f"{kind} pools over time (kernel {over_time[0]}, stride {over_time[1]}), so frames lose their own"
    if isinstance(module, nn.AdaptiveMaxPool3d) or (
        isinstance(module, nn.AdaptiveAvgPool3d) and _first(module.output_size) != 1
    ):
        return (
            f"{kind} to {module.output_size} pools over time; only a mean over all of it (nn.AdaptiveAvgPool3d(1)) fits"
        )
    return ""


def _conv_problem(conv: nn.Conv3d) -> str:
    length, stride, dilation = conv.kernel_size[0], conv.stride[0], conv.dilation[0]
    if type(conv).forward is not nn.Conv3d.forward or parametrize.is_parametrized(conv):
        return "a convolution with a forward or parametrisation of its own"
    if stride > 1:
        return f"stride {stride} over time drops frames that the mask has kept"
    if length % 2 == 0:
        return f"kernel of even length {length} over time has no centre tap"
    if isinstance(conv.padding, str):
        return f"padding={conv.padding!r}: give it in numbers"
    if conv.padding[0] != dilation * (length // 2) or conv.padding_mode != "zeros":
        kept = dilation * (length // 2)
        return f"padding {conv.padding[0]} ({conv.padding_mode}) over time; only {kept} (zeros) keeps all frames"
    return ""


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple | list) else value


def without_time_strides(network: nn.Module) -> None:
    """Sets strides over time to 1 and takes time out of pools, in place."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.stride = (1, *module.stride[1:])
        elif isinstance(module, POOLS):
            for key, still in (("kernel_size", 1), ("stride", 1), ("padding", 0)):
                value = getattr(module, key)
                spatial = value[1:] if isinstance(value, tuple | list) else (value, value)
                setattr(module, key, (still, *spatial))


def find_stages(network: nn.Module, names: Sequence[str] | None) -> dict[str, list[str]]:
    """The temporal convolutions of each stage, by name.

    Args:
        network: with temporal convolutions.
        names: of modules; by default the children of the topmost module of which two or more have any.
    """
    convolutions = [name for name, module in network.named_modules() if is_temporal(module)]
    if names is None:
        depth = 0
        while len({_prefix(name, depth + 1) for name in convolutions}) < min(2, len(convolutions)):
            depth += 1
        names = list(dict.fromkeys(_prefix(name, depth + 1) for name in convolutions))
    stages = {stage: [c for c in convolutions if f"{c}.".startswith(f"{stage}.")] for stage in names}
    for stage, found in stages.items():
        if not found:
            raise ConversionError(
                f"stage {stage!r} holds no convolution over time; these are: {', '.join(convolutions)}"
            )
    placed = sorted(name for found in stages.values() for name in found)
    if placed != sorted(convolutions):
        wrong = next(c for c in convolutions if placed.count(c) != 1)
        raise ConversionError(f"{wrong} is a convolution over time and must be in one stage of {list(stages)}")
    return stages


def _prefix(name: str, depth: int) -> str:
    return ".".join(name.split(".")[:depth])


class Trial:
    """What a network computes of random clips, to hold its masked form against.

    Args:
        dense: takes (B, 3, T, H, W), in inference mode.
        size: side of the clips, in pixels.

    Raises:
        ConversionError: if the network does not run or does not return logits.
    """

    def __init__(self, dense: nn.Module, size: int):
        like = next(dense.parameters())
        generator = torch.Generator().manual_seed(0)
        self._clips = torch.randn(2, TIMES, 3, size, size, generator=generator).to(like)
        self._dense = dense
        self._expected, problem = _trace(dense, dense, self._clips.transpose(1, 2))
        shape = f"(2, 3, {TIMES}, {size}, {size})"
        if problem:
            raise ConversionError(f"{type(dense).__name__} does not run on clips of shape {shape}: {problem}")
        if self._expected[""].ndim != 2 or len(self._expected[""]) != 2:
            got = tuple(self._expected[""].shape)
            raise ConversionError(
                f"{type(dense).__name__} gives shape {got} for clips of shape {shape}, not logits (2, C)"
            )
        self.classes = self._expected[""].shape[1]

    @property
    def gates(self) -> frozenset[str]:
        """The averages over time after which there still are frames: what becomes of them scales these."""
        names = list(self._expected)  # in the order in which they came out
        last = max((at for at, name in enumerate(names) if _has_frames(self._expected[name])), default=-1)
        pools = (nn.AdaptiveAvgPool3d,)
        return frozenset(name for name in names[:last] if isinstance(self._dense.get_submodule(name), pools))

    def first_difference(self, masked: MaskedNetwork, network: nn.Module) -> str:
        """Where the masked form, everything kept, first differs; "" where they agree.

        Args:
            masked: the masked form, in inference mode.
            network: the part of it that has the modules of the dense network.
        """
        kept = torch.ones(self._clips.shape[:2], dtype=torch.bool, device=self._clips.device)
        on = kept.new_ones(len(kept), masked.num_stages)
        got, problem = _trace(masked, network, self._clips, kept, on)
        for name, values in got.items():
            if name and not _agree(values, self._expected.get(name)):
                kind = type(self._dense.get_submodule(name)).__name__
                return f"{name} ({kind}) mixes frames in a way masks cannot follow"
        if problem:
            return f"its forward mixes frames outside its modules ({problem})"
        if not _close(got[""], self._expected[""]):
            return "its forward mixes frames outside its modules, or takes their mean before a part that is not linear"
        return ""


@torch.no_grad()
def _trace(run: nn.Module, watched: nn.Module, *inputs: Tensor) -> tuple[dict[str, Tensor], str]:
    """The first output of each module, in order, "" being that of `run`; and what it raised."""
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_: nn.Module, __: object, out: object) -> None:
            if isinstance(out, Tensor):
                outputs.setdefault(name, out.clone())

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in watched.named_modules() if name]
    try:
        outputs[""] = run(*inputs)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        return outputs, str(error).splitlines()[0]
    finally:
        for hook in hooks:
            hook.remove()
    return outputs, ""


def _agree(packed: Tensor, dense: Tensor | None) -> bool:
    """Packed frames (B * T, C, 1, H, W) or clips against (B, C, T, H, W) or clips; what has other shapes is passed."""
    if dense is None or packed.shape == dense.shape:
        return dense is None or _close(packed, dense)
    if packed.ndim == dense.ndim == 5 and _has_frames(dense) and len(packed) == len(dense) * TIMES:
        return _close(packed.squeeze(2).unflatten(0, (-1, TIMES)).transpose(1, 2), dense)
    return True


def _has_frames(values: Tensor) -> bool:
    return values.ndim == 5 and values.shape[2] == TIMES


def _close(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    scale = other.abs().max().clamp(min=1e-12)
    return bool((one - other).abs().max() <= TOLERANCE * scale)
