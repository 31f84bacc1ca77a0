"""Memory and disk that runs take, estimated from feature maps, weights and numbers of clips.

Of the classifier's training, each convolution leaves two maps for the backward pass: what it puts out, which batch norm
looks at again, and that normed, which the next convolution looks at again (ReLU works in place). A shortcut is added
into the block's last map, so it leaves one. A side tap over time leaves its output and a copy of its input, as
`gathered_conv` works; the stem of large frames has none (`segment_conv`), and on a CPU nor have other convolutions of
large frames, whose training takes less than is said here. Gradients of maps come and go: the two largest are counted.
Masks that drop frames or stages leave less.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from ada3d_gym.building import build_trunk
from ada3d_gym.experiments.paper.phases import OBSERVED, Phase, Videos, sizes
from ada3d_gym.experiments.runs import Run
from ada3d_gym.networks.masked import LARGE_FRAME
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.selection import Aggregation, ClipTrunk
from ada3d_gym.networks.spec import SPECS, ResNet3dSpec

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


@lru_cache
def saved_by_trunk(frames: int, side: int, aggregation: Aggregation) -> int:
    """Bytes of one clip that the backward pass of the selection network's trunk needs, as autograd counts them."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    trunk = _trunk(frames, side, aggregation)
    own = {each.untyped_storage()._cdata for each in (*trunk.parameters(), *trunk.buffers())}
    clip = torch.zeros(1, frames, 3, side, side, dtype=torch.uint8)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = trunk.train()(clip)  # keeps what is saved alive, so that no storage has another's number
    del out
    return sum(size for storage, size in kept.items() if storage not in own)


@dataclass(frozen=True)
class Setting:
    """What sizes of tensors depend on.

    Attributes:
        backbone: the 3D network's name.
        frames: T.
        train, test: sides of clips, in pixels.
        aggregation: of the selection network's trunk.
        classes: C.
    """

    backbone: str
    frames: int
    train: int
    test: int
    aggregation: Aggregation
    classes: int

    @classmethod
    def of(cls, run: Run, classes: int) -> Setting:
        settings = run.settings
        aggregation = run.options.get("aggregation", "concat")
        return cls(settings["backbone"], settings["num_frames"], *sizes(settings), aggregation, classes)

    @property
    def spec(self) -> ResNet3dSpec:
        return SPECS[self.backbone]

    @property
    def observed(self) -> int:
        """Side of what the selection network sees."""
        return min(OBSERVED, self.train)

    def clip(self, size: int) -> int:
        """Bytes of a decoded clip."""
        return self.frames * 3 * size**2


@lru_cache
def weights(of: Setting) -> tuple[int, int]:
    """Bytes of the classifier's weights, and of the selection network's trunk."""
    with torch.device("meta"):
        network = MaskedResNet3d(of.spec, of.classes)
    return _bytes(network), _bytes(_trunk(of.frames, of.observed, of.aggregation))


def gpu_memory(phase: Phase, of: Setting, processes: int) -> float:
    """Bytes at the peak on each GPU: weights, what their training holds (gradients and momentum), maps and context.

    Of several processes that train a run together, each has its part of a batch.
    """
    classifier, trunk = weights(of)
    held = CONTEXT + classifier + trunk
    clips = -(-phase.batch // processes)
    if not phase.training:  # whole batches go to one process each
        return held + min(phase.batch, BATCH) * of.frames * INFERENCE_MAPS * largest_map(of.spec, of.test)
    maps = 0.0
    if phase.training in ("classifier", "joint"):
        held += 2 * classifier
        maps = clips * (saved_maps(of.spec, of.train, of.frames) + 2 * of.frames * largest_map(of.spec, of.train))
    if phase.training in ("selection", "joint"):
        held += 2 * trunk
        watched = clips * saved_by_trunk(of.frames, of.observed, of.aggregation)  # while rewards are asked for
        asked = min(clips, BATCH) * of.frames * INFERENCE_MAPS * largest_map(of.spec, of.train)
        maps = max(maps, watched + (asked if phase.pulls else 0))
    return held + maps


def host_memory(phase: Phase, of: Setting, videos: Videos, processes: int, gpus: int, cores: int) -> float:
    """Bytes of the processes on all GPUs: two batches of decoded clips each, decoders, indexes and torch."""
    clips = -(-phase.batch // processes) if phase.training else phase.batch
    ahead = 2 * clips * of.clip(of.train if phase.training else of.test)
    return gpus * (PROCESS + ahead + INDEX * (videos.train + videos.test)) + cores * DECODER


def run_disk(of: Setting, test_clips: int, pretrained: bool) -> int:
    """Bytes that a finished run leaves: weights before and after, the last state with its optimizers, and masks.

    Args:
        of: what it works on.
        test_clips: that it was judged on.
        pretrained: whether it trained the classifier on whole clips and the trunk, whose states stay too.
    """
    networks = sum(weights(of))
    masks = test_clips * (of.frames + of.spec.num_stages)
    return 2 * networks + 2 * networks * (1 + pretrained) + masks


def _trunk(frames: int, side: int, aggregation: Aggregation) -> ClipTrunk:
    with torch.random.fork_rng(devices=[]):
        return build_trunk(frames, side, None, aggregation)


def _bytes(network: nn.Module) -> int:
    return sum(each.numel() * each.element_size() for each in (*network.parameters(), *network.buffers()))
