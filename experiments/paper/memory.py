"""Memory and disk that runs take on machines with GPUs, estimated from feature maps, weights and numbers of clips."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from ada3d_gym.experiments.estimates.maps import (
    largest_map,
    new_trunk,
    run_bytes,
    saved_by_trunk,
    step_maps,
    value_bytes,
    weight_bytes,
)
from ada3d_gym.experiments.paper.phases import OBSERVED, Phase, Videos, sizes
from ada3d_gym.experiments.runs import Run
from ada3d_gym.networks.classifier import FORWARD_MAPS
from ada3d_gym.networks.families import make_network
from ada3d_gym.networks.selection import Aggregation
from ada3d_gym.networks.spec import SPECS, NetworkSpec
from ada3d_gym.precision import Precision

CONTEXT = 2**30  # of a CUDA context with cuDNN's workspaces; an assumption
PROCESS = 2 * 2**30  # of a process with torch on a GPU; an assumption
DECODER = 35e6  # an open decoder, docs/videos.md
INDEX = 350  # bytes a video, on disk and in memory, docs/videos.md
BATCH = 128  # clips of a forward pass at the most: `NetworkClassifier`, `evaluate`


@dataclass(frozen=True)
class Setting:
    """What sizes of tensors depend on.

    Attributes:
        backbone: the 3D network's name.
        frames: T.
        train, test: sides of clips, in pixels.
        aggregation: of the selection network's trunk.
        classes: C.
        precision: of passes.
        micro_batch: clips in a pass of the classifier's and the trunk's training.
        selection_batch: the same of the selection network's in REINFORCE.
        recompute: whether what is inside the classifier's blocks is computed anew in its backward pass.
    """

    backbone: str
    frames: int
    train: int
    test: int
    aggregation: Aggregation
    classes: int
    precision: Precision = "float32"
    micro_batch: int | None = None
    selection_batch: int | None = None
    recompute: bool = False

    @classmethod
    def of(cls, run: Run, classes: int) -> Setting:
        settings = run.settings
        aggregation = run.options.get("aggregation", "concat")
        return cls(
            settings["backbone"],
            settings["num_frames"],
            *sizes(settings),
            aggregation,
            classes,
            run.precision,
            run.classifier_micro_batch,
            run.options.get("micro_batch"),
            run.classifier_recompute,
        )

    @property
    def spec(self) -> NetworkSpec:
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
        network = make_network(of.spec, of.classes)
    return weight_bytes(network), weight_bytes(new_trunk(of.frames, of.observed, of.aggregation))


def gpu_memory(phase: Phase, of: Setting, processes: int) -> float:
    """Bytes at the peak on each GPU: weights, what their training holds (gradients and momentum), maps and context.

    The classifier that answers is a copy of the one that is trained, with batch norm folded in.
    """
    classifier, trunk = weights(of)
    held: float = CONTEXT + classifier + trunk
    copied = classifier * value_bytes(of.precision) / value_bytes("float32")  # weights of passes of this precision
    if phase.training in ("classifier", "joint"):
        held += 2 * classifier + (copied if of.precision != "float32" else 0)
    if phase.training in ("selection", "joint"):
        held += 2 * trunk
    return held + (copied if phase.pulls else 0) + gpu_maps(phase, of, processes)


def gpu_maps(phase: Phase, of: Setting, processes: int = 1) -> int:
    """Bytes of feature maps at the peak on each GPU.

    Of several processes that train a run together, each has its part of a batch, and takes it in passes.
    """
    clips = -(-phase.batch // processes) if phase.training else phase.batch  # whole batches are judged by one each
    side = of.train if phase.training else of.test
    asked = min(clips, BATCH) * of.frames * FORWARD_MAPS * largest_map(of.spec, side, of.precision)
    maps = 0 if phase.training else asked
    if phase.training in ("classifier", "joint"):
        each = step_maps(of.spec, of.train, of.frames, of.precision, of.recompute)
        maps = min(clips, of.micro_batch or clips) * each
    if phase.training in ("selection", "joint"):
        at_once = min(clips, (of.selection_batch if phase.pulls else of.micro_batch) or clips)
        watched = at_once * saved_by_trunk(of.frames, of.observed, of.aggregation, of.precision)
        asked = asked if phase.pulls else 0
        # In a single pass, maps are held while rewards are asked for; in several, they come after.
        maps = max(maps, watched + asked if at_once == clips else max(watched, asked))
    return maps


def host_memory(phase: Phase, of: Setting, videos: Videos, processes: int, gpus: int, cores: int) -> float:
    """Bytes of the processes on all GPUs: two batches of decoded clips each, decoders, indexes and torch."""
    clips = -(-phase.batch // processes) if phase.training else phase.batch
    ahead = 2 * clips * of.clip(of.train if phase.training else of.test)
    return gpus * (PROCESS + ahead + INDEX * (videos.train + videos.test)) + cores * DECODER


def run_disk(of: Setting, test_clips: int, pretrained: bool) -> int:
    """`run_bytes` of a run that was judged on so many clips."""
    return run_bytes(sum(weights(of)), test_clips * (of.frames + of.spec.num_stages), pretrained)
