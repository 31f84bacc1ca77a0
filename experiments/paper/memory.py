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
    saved_maps,
    weight_bytes,
)
from ada3d_gym.experiments.paper.phases import OBSERVED, Phase, Videos, sizes
from ada3d_gym.experiments.runs import Run
from ada3d_gym.networks.classifier import FORWARD_MAPS
from ada3d_gym.networks.families import make_network
from ada3d_gym.networks.selection import Aggregation
from ada3d_gym.networks.spec import SPECS, NetworkSpec

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

    Of several processes that train a run together, each has its part of a batch.
    """
    classifier, trunk = weights(of)
    held = CONTEXT + classifier + trunk
    clips = -(-phase.batch // processes)
    if not phase.training:  # whole batches go to one process each
        return held + min(phase.batch, BATCH) * of.frames * FORWARD_MAPS * largest_map(of.spec, of.test)
    maps = 0.0
    if phase.training in ("classifier", "joint"):
        held += 2 * classifier
        maps = clips * (saved_maps(of.spec, of.train, of.frames) + 2 * of.frames * largest_map(of.spec, of.train))
    if phase.training in ("selection", "joint"):
        held += 2 * trunk
        watched = clips * saved_by_trunk(of.frames, of.observed, of.aggregation)  # while rewards are asked for
        asked = min(clips, BATCH) * of.frames * FORWARD_MAPS * largest_map(of.spec, of.train)
        maps = max(maps, watched + (asked if phase.pulls else 0))
    return held + maps


def host_memory(phase: Phase, of: Setting, videos: Videos, processes: int, gpus: int, cores: int) -> float:
    """Bytes of the processes on all GPUs: two batches of decoded clips each, decoders, indexes and torch."""
    clips = -(-phase.batch // processes) if phase.training else phase.batch
    ahead = 2 * clips * of.clip(of.train if phase.training else of.test)
    return gpus * (PROCESS + ahead + INDEX * (videos.train + videos.test)) + cores * DECODER


def run_disk(of: Setting, test_clips: int, pretrained: bool) -> int:
    """`run_bytes` of a run that was judged on so many clips."""
    return run_bytes(sum(weights(of)), test_clips * (of.frames + of.spec.num_stages), pretrained)
