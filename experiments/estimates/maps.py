"""Feature maps that a network keeps for its backward pass, from its table or as autograd counts them.

Of the classifier's training, each convolution leaves two maps for the backward pass: what it puts out, which batch norm
looks at again, and that normed, which the next convolution looks at again (ReLU works in place). A shortcut is added
into the block's last map, so it leaves one. What swish puts out comes beside, and of every other block what a gate puts
out, so a channelwise convolution leaves one map and a half more. A side tap over time leaves its output and a copy of
its input, as `gathered_conv` works; the stem of large frames has none (`segment_conv`), and on a CPU nor have
channelwise convolutions and others of large frames, whose training takes less than `saved_maps` says. Gradients of maps
come and go. Masks that drop frames or stages leave less.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn

from ada3d_gym.building import build_trunk
from ada3d_gym.networks.masked import LARGE_FRAME
from ada3d_gym.networks.selection import Aggregation, ClipTrunk
from ada3d_gym.networks.spec import NetworkSpec, ResNet3dSpec
from ada3d_gym.precision import Precision, autocast, dtype_of

# Largest maps of a clip that come and go in a backward pass, and in one that computes blocks anew: counted on a CPU.
GRADIENTS, ANEW = 3, 5


def value_bytes(precision: Precision) -> int:
    """Bytes of a value of the maps that passes in a precision leave."""
    return dtype_of(precision).itemsize


def saved_maps(
    spec: NetworkSpec, size: int, frames: int, precision: Precision = "float32", recompute: bool = False
) -> int:
    """Bytes of a clip of so many frames that the backward pass of the classifier needs, everything kept.

    Args:
        spec, size, frames: of network and clip.
        precision: of the pass.
        recompute: blocks keep what they are given, and compute the rest anew, one at a time.
    """
    blocks: dict[str, int] = {}  # values of each, of all frames
    inputs: dict[str, int] = {}
    places = 0  # bytes
    for conv in spec.convolutions(size):
        block = conv.name.rpartition(".")[0]
        out, shown = conv.out_channels * conv.out_side**2, conv.in_channels * conv.side**2
        once = conv.name == "stem_xy" or conv.name.endswith("shortcut")
        values = frames * (out if once else 2 * out)
        if conv.groups > 1 and conv.name != "stem":
            values += frames * 3 * out // 2
        if conv.in_channels == 3:
            values += frames * shown  # its input: pixels
            if isinstance(spec, ResNet3dSpec) and spec.stem_pool:
                pooled = frames * conv.out_channels * (-(-conv.out_side // 2)) ** 2
                values, places = values + pooled, 8 * pooled
        if conv.name != "stem" or shown < LARGE_FRAME:
            linked = sum(2 * (frames - distance) for distance in range(1, conv.kernel[0] // 2 + 1))
            values += linked * (shown + out)
        blocks[block] = blocks.get(block, 0) + values
        inputs.setdefault(block, frames * shown)
    stem = blocks.pop("")  # and what else is in no block
    inputs.pop("")
    first = next(iter(inputs))
    kept = sum(size for name, size in inputs.items() if name != first) + max(blocks.values())
    return value_bytes(precision) * (stem + (kept if recompute else sum(blocks.values()))) + places


def passing_maps(spec: NetworkSpec, size: int, frames: int, precision: Precision, recompute: bool) -> int:
    """Bytes of a clip of so many frames that come and go in the backward pass: gradients of the largest maps."""
    return (ANEW if recompute else GRADIENTS) * frames * largest_map(spec, size, precision)


def step_maps(
    spec: NetworkSpec, size: int, frames: int, precision: Precision = "float32", recompute: bool = False
) -> int:
    """Bytes of a clip at the peak of a pass, forward and backward; arguments as of `saved_maps`."""
    saved = saved_maps(spec, size, frames, precision, recompute)
    return saved + passing_maps(spec, size, frames, precision, recompute)


def largest_map(spec: NetworkSpec, size: int, precision: Precision = "float32") -> int:
    """Bytes of one frame in the largest map."""
    return value_bytes(precision) * spec.largest_map(size)


def saved_bytes(network: nn.Module, compute: Callable[[], Tensor]) -> int:
    """Bytes that the backward pass of what is computed with a network needs beside its weights, as autograd counts."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    own = {each.untyped_storage()._cdata for each in (*network.parameters(), *network.buffers())}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = compute()  # keeps what is saved alive, so that no storage has another's number
    del out
    return sum(size for storage, size in kept.items() if storage not in own)


@lru_cache
def saved_by_trunk(frames: int, side: int, aggregation: Aggregation, precision: Precision = "float32") -> int:
    """The same of one clip in the training of the selection network's trunk."""
    trunk = new_trunk(frames, side, aggregation).train()
    clip = torch.zeros(1, frames, 3, side, side, dtype=torch.uint8)
    with autocast(torch.device("cpu"), precision):
        return saved_bytes(trunk, lambda: trunk(clip))


def new_trunk(frames: int, side: int, aggregation: Aggregation) -> ClipTrunk:
    """A trunk whose weights do not matter."""
    with torch.random.fork_rng(devices=[]):
        return build_trunk(frames, side, None, aggregation)


def weight_bytes(network: nn.Module) -> int:
    """Bytes of weights and statistics."""
    return sum(each.numel() * each.element_size() for each in (*network.parameters(), *network.buffers()))


def run_bytes(networks: int, masks: int, pretrained: bool) -> int:
    """Bytes that a finished run leaves: weights before and after, the last state with its optimizers, and masks.

    Args:
        networks: bytes of all weights.
        masks: of those kept.
        pretrained: whether it trained the classifier on whole clips and the trunk, whose states stay too.
    """
    return 2 * networks + 2 * networks * (1 + pretrained) + masks
