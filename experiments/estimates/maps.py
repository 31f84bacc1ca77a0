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

FLOAT = 4  # bytes


def saved_maps(spec: NetworkSpec, size: int, frames: int) -> int:
    """Bytes of a clip of so many frames that the backward pass of the classifier needs, everything kept."""
    values, beside = 0, 0  # of a frame, and of the taps that look at others
    for conv in spec.convolutions(size):
        out = conv.out_channels * conv.out_side**2
        once = conv.name == "stem_xy" or conv.name.endswith("shortcut")
        values += out if once else 2 * out
        if conv.groups > 1 and conv.name != "stem":
            values += 3 * out // 2
        if conv.in_channels == 3:
            values += conv.in_channels * conv.side**2  # its input: pixels
            if isinstance(spec, ResNet3dSpec) and spec.stem_pool:
                pooled = conv.out_channels * (-(-conv.out_side // 2)) ** 2
                values += 3 * pooled  # and their places, of 8 bytes
        shown = conv.in_channels * conv.side**2
        if conv.name != "stem" or shown < LARGE_FRAME:
            linked = sum(2 * (frames - distance) for distance in range(1, conv.kernel[0] // 2 + 1))
            beside += linked * (shown + out)
    return FLOAT * (frames * values + beside)


def largest_map(spec: NetworkSpec, size: int) -> int:
    """Bytes of one frame in the largest map."""
    return FLOAT * spec.largest_map(size)


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
def saved_by_trunk(frames: int, side: int, aggregation: Aggregation) -> int:
    """The same of one clip in the training of the selection network's trunk."""
    trunk = new_trunk(frames, side, aggregation).train()
    clip = torch.zeros(1, frames, 3, side, side, dtype=torch.uint8)
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
