"""What one clip takes in a network's training: the maps that are kept, and seconds, both measured on the device."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from ada3d_gym.experiments.estimates.maps import new_trunk, saved_bytes, saved_maps, weight_bytes
from ada3d_gym.networks.families import make_network
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.selection import Aggregation, SelectionNetwork
from ada3d_gym.networks.spec import NetworkSpec
from ada3d_gym.precision import Precision, autocast

SECONDS = 0.5  # that are timed, of each kind of step
BYTES = 2e8  # of maps in a timed step, or of one clip: small networks are faster on several clips
MOST = 16  # clips in it


@dataclass(frozen=True)
class Probe:
    """Of a network.

    Attributes:
        saved: bytes of a clip that its backward pass needs.
        weights: bytes.
        train: seconds of a clip in a training step.
        forward: seconds of a clip in a forward pass of the inference form.
    """

    saved: int
    weights: int
    train: float
    forward: float


@lru_cache
def probe_classifier(
    spec: NetworkSpec,
    classes: int,
    frames: int,
    size: int,
    device: str,
    precision: Precision = "float32",
    recompute: bool = False,
) -> Probe:
    """Of the classifier, everything kept; `recompute`: what is inside its blocks is computed anew."""
    with torch.random.fork_rng(devices=[]):
        network = make_network(spec, classes).to(device)
    network.recompute = recompute
    u, v = (torch.ones(MOST, length, dtype=torch.bool, device=device) for length in (frames, spec.num_stages))

    def compute(network: nn.Module, clips: Tensor) -> Tensor:
        logits: Tensor = network(clips, u[: len(clips)], v[: len(clips)])
        return logits

    saved = saved_maps(spec, size, frames, precision, True) if recompute else None  # autograd sees none of these
    return _probe(network, frames, size, device, compute, precision, saved)


@lru_cache
def probe_selection(
    stages: int, frames: int, side: int, aggregation: Aggregation, device: str, precision: Precision = "float32"
) -> Probe:
    """Of the selection network; `side` is that of the frames it sees."""
    with torch.random.fork_rng(devices=[]):
        network = SelectionNetwork(new_trunk(frames, side, aggregation), stages).to(device)

    def compute(network: nn.Module, clips: Tensor) -> Tensor:
        return torch.cat(list(network(clips)), 1)

    return _probe(network, frames, side, device, compute, precision)


def _probe(
    network: nn.Module,
    frames: int,
    size: int,
    device: str,
    compute: Callable[[nn.Module, Tensor], Tensor],
    precision: Precision,
    saved: int | None = None,
) -> Probe:
    clips = torch.zeros(MOST, frames, 3, size, size, dtype=torch.uint8, device=device)
    on = torch.device(device)
    network.train()
    if saved is None:
        with autocast(on, precision):
            saved = saved_bytes(network, lambda: compute(network, clips[:1]))
    clips = clips[: max(1, int(BYTES // saved))]

    def train() -> None:
        with autocast(on, precision):
            out = compute(network, clips)
        out.float().sum().backward()

    seconds = _seconds(train, device)
    network.zero_grad()
    form = inference_form(network)
    with torch.inference_mode():
        forward = _seconds(lambda: compute(form, clips), device)
    return Probe(saved, weight_bytes(network), seconds / len(clips), forward / len(clips))


def _seconds(step: Callable[[], object], device: str) -> float:
    """Of a step; the first, which is slower, counts only where it takes all of the time by itself."""
    times: list[float] = []
    while not times or (sum(times) < SECONDS and len(times) < 50):
        start = time.perf_counter()
        step()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    counted = times[1:] or times
    return sum(counted) / len(counted)
