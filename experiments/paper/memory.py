"""Memory and disk that runs take, estimated from feature maps, weights and numbers of clips.

Of the classifier's training, each convolution leaves two maps for the backward pass: what it puts out, which batch norm
looks at again, and that normed, which the next convolution looks at again (ReLU works in place). A shortcut is added
into the block's last map, so it leaves one. A side tap over time leaves its output and a copy of its input, as
`gathered_conv` works; the stem of large frames has none (`segment_conv`), and on a CPU nor have other convolutions of
large frames, whose training takes less than is said here. Gradients of maps come and go: the two largest are counted.
Masks that drop frames or stages leave less.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ada3d_gym.building import build_trunk
from ada3d_gym.experiments.paper.phases import Phase, Videos, sizes
from ada3d_gym.networks.masked import LARGE_FRAME
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import SPECS, ResNet3dSpec
from ada3d_gym.video.clips import AHEAD_BYTES

FLOAT = 4  # bytes
CONTEXT = 2**30  # of a CUDA context with cuDNN's workspaces; an assumption
PROCESS = 2 * 2**30  # of a process with torch on a GPU; an assumption
DECODER = 35e6  # an open decoder, docs/videos.md
INDEX = 350  # bytes a video, on disk and in memory, docs/videos.md
BATCH = 128  # clips of a forward pass at the most: `NetworkClassifier`, `evaluate`
INFERENCE_MAPS = 3  # a convolution's input and output, and the residual


def saved_maps(spec: ResNet3dSpec, size: int, frames: int) -> int:
    """Bytes of a clip of so many frames that the backward pass of the classifier needs, everything kept."""
    values, beside = 0, 0  # of a frame, and of the taps that look at others
    for conv in spec.convolutions(size):
        out = conv.out_channels * conv.out_side**2
        values += out if conv.name.endswith("shortcut") else 2 * out
        if conv.name == "stem":
            values += conv.in_channels * conv.side**2  # its input: pixels
            if spec.stem_pool:
                pooled = conv.out_channels * (-(-conv.out_side // 2)) ** 2
                values += 3 * pooled  # and their places, of 8 bytes
        shown = conv.in_channels * conv.side**2
        if conv.name != "stem" or shown < LARGE_FRAME:
            linked = sum(2 * (frames - distance) for distance in range(1, conv.kernel[0] // 2 + 1))
            beside += linked * (shown + out)
    return FLOAT * (frames * values + beside)


def largest_map(spec: ResNet3dSpec, size: int) -> int:
    """Bytes of one frame in the largest map."""
    return FLOAT * max(conv.out_channels * conv.out_side**2 for conv in spec.convolutions(size))


def saved_by_trunk(settings: Mapping[str, Any], aggregation: str) -> int:
    """Bytes of one clip that the backward pass of the selection network's trunk needs, as autograd counts them."""
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    trunk = _trunk(settings, aggregation).to("meta")
    own = {each.untyped_storage()._cdata for each in (*trunk.parameters(), *trunk.buffers())}
    side = min(112, sizes(settings)[0])
    clip = torch.zeros(1, settings["num_frames"], 3, side, side, dtype=torch.uint8, device="meta")
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = trunk.train()(clip)  # keeps what is saved alive, so that no storage has another's number
    del out
    return sum(size for storage, size in kept.items() if storage not in own)


def weights(settings: Mapping[str, Any], classes: int, aggregation: str) -> tuple[int, int]:
    """Bytes of the classifier's weights, and of the selection network's trunk."""
    with torch.device("meta"):
        network = MaskedResNet3d(SPECS[settings["backbone"]], classes)
    return _bytes(network), _bytes(_trunk(settings, aggregation))


def gpu_memory(phase: Phase, settings: Mapping[str, Any], classes: int, aggregation: str, gpus: int) -> float:
    """Bytes at the peak on each GPU: weights, what their training holds (gradients and momentum), maps and context."""
    spec, frames = SPECS[settings["backbone"]], settings["num_frames"]
    train, test = sizes(settings)
    classifier, trunk = weights(settings, classes, aggregation)
    held = CONTEXT + classifier + trunk
    clips = -(-phase.batch // gpus)
    if not phase.training:  # whole batches go to one process each
        return held + min(phase.batch, BATCH) * frames * INFERENCE_MAPS * largest_map(spec, test)
    maps = 0.0
    if phase.training in ("classifier", "joint"):
        held += 2 * classifier
        maps = clips * (saved_maps(spec, train, frames) + 2 * frames * largest_map(spec, train))
    if phase.training in ("selection", "joint"):
        held += 2 * trunk
        watched = clips * saved_by_trunk(settings, aggregation)  # while the classifier is asked for rewards
        asked = min(clips, BATCH) * frames * INFERENCE_MAPS * largest_map(spec, train) if phase.pulls else 0
        maps = max(maps, watched + asked)
    return held + maps


def clip_bytes(settings: Mapping[str, Any], size: int) -> int:
    """Of a decoded clip."""
    return int(settings["num_frames"]) * 3 * size**2


def host_memory(phase: Phase, settings: Mapping[str, Any], videos: Videos, gpus: int, cores: int) -> float:
    """Bytes of all processes together: two batches of decoded clips each, decoders, indexes and torch."""
    clips = phase.batch if not phase.training else -(-phase.batch // gpus)
    size = sizes(settings)[0 if phase.training else 1]
    processes = 1 if phase.alone else gpus
    ahead = 2 * clips * clip_bytes(settings, size)
    return processes * (PROCESS + ahead + INDEX * (videos.train + videos.test)) + cores * DECODER


def ahead_needed(phase: Phase, settings: Mapping[str, Any], gpus: int) -> int:
    """`ahead_bytes` with which the next batch is decoded beside this one; the default where that is enough."""
    clips = phase.batch if not phase.training else -(-phase.batch // gpus)
    return max(AHEAD_BYTES, 2 * clips * clip_bytes(settings, sizes(settings)[0 if phase.training else 1]))


def run_disk(settings: Mapping[str, Any], classes: int, aggregation: str, test_clips: int, pretrained: bool) -> int:
    """Bytes that a finished run leaves: weights before and after, the last state with its optimizers, and masks.

    Args:
        settings, classes, aggregation: of the run.
        test_clips: that it was judged on.
        pretrained: whether it trained the classifier on whole clips and the trunk, whose states stay too.
    """
    classifier, trunk = weights(settings, classes, aggregation)
    state = 2 * (classifier + trunk)
    masks = test_clips * (settings["num_frames"] + SPECS[settings["backbone"]].num_stages)
    return 2 * (classifier + trunk) + state * (1 + pretrained) + masks


def test_cache(settings: Mapping[str, Any], test_clips: int) -> int:
    """Bytes of all test clips, decoded, where `cache_bytes` allows for them."""
    return test_clips * clip_bytes(settings, sizes(settings)[1])


def _trunk(settings: Mapping[str, Any], aggregation: str) -> torch.nn.Module:
    side = min(112, sizes(settings)[0])
    with torch.random.fork_rng(devices=[]):
        return build_trunk(settings["num_frames"], side, None, aggregation)  # type: ignore[arg-type]


def _bytes(network: torch.nn.Module) -> int:
    return sum(each.numel() * each.element_size() for each in (*network.parameters(), *network.buffers()))
