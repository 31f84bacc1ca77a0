"""How long phases take on a machine, and what they wait for."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from ada3d_gym.experiments.paper.decoding import FRAMES, Decoding
from ada3d_gym.experiments.paper.phases import Phase
from ada3d_gym.experiments.timing import alternate
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_R50
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.indexing.probe import probe
from ada3d_gym.video.motionshapes.files import write_video
from ada3d_gym.video.records import VideoRecord
from ada3d_gym.video.sampling import ClipSampler

ROUNDS = 3
BUSY = 0.95  # share of the time; the last twentieth may take many times the cores
Slower = Literal["GPUs", "decoding"]


@dataclass(frozen=True)
class Machine:
    """What computes and decodes.

    Attributes:
        gpus: at work; each trains a run of its own, or all of them one together.
        gmacs: 10^9 multiply-accumulates a second of each.
        cores: that decode.
        decoding: what each of them does.
        together: whether all GPUs train one run, by torchrun.
        shared: whether there are no GPUs: `gpus` threads compute, on the cores that decode.
    """

    gpus: int
    gmacs: float
    cores: int
    decoding: Decoding
    together: bool = False
    shared: bool = False

    @property
    def processes(self) -> int:
        """That train one run."""
        return self.gpus if self.together else 1


@dataclass(frozen=True)
class Time:
    """Of a phase, in seconds.

    Attributes:
        gpu: of computing, all GPUs together.
        core: of decoding, all cores together.
        compute, decode: the same by the clock, had each nothing to wait for.
        both: of the two together by the clock, where the same cores do both; else 0.
    """

    gpu: float
    core: float
    compute: float
    decode: float
    both: float = 0.0

    @property
    def wall(self) -> float:
        """By the clock: the next batch is decoded while this one is computed, so the slower of the two counts."""
        return max(self.compute, self.decode, self.both)


def time_of(phase: Phase, frames: int, machine: Machine) -> Time:
    """Of a phase whose clips have so many frames, and its part of the wall time.

    Where GPUs train together, a phase that runs alone has one of them and its share of the cores.
    """
    gpu = phase.macs / (1e9 * machine.gmacs)
    core = machine.decoding.seconds(phase.clips * frames / FRAMES, phase.tested)
    gpus = 1 if phase.alone and machine.together else machine.gpus
    cores = machine.cores * gpus / machine.gpus
    return Time(gpu, core, gpu / gpus, core / cores, (gpu + core) / cores if machine.shared else 0.0)


def cores_needed(times: Sequence[Time], machine: Machine) -> int:
    """The fewest decoding cores beside which GPUs are busy 95 % of the time, over all phases together."""
    compute = sum(each.compute for each in times)
    if not compute:
        return 1

    def busy(cores: int) -> float:
        return compute / sum(max(each.compute, each.decode * machine.cores / cores) for each in times)

    few, many = 0, 1
    while busy(many) < BUSY:
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (middle, many) if busy(middle) < BUSY else (few, middle)
    return many


def bottleneck(times: Sequence[Time]) -> Slower:
    """What most of the wall time goes by."""
    decoding = sum(each.wall for each in times if each.decode > each.compute)
    return "decoding" if decoding > sum(each.wall for each in times) / 2 else "GPUs"


def idle(times: Sequence[Time]) -> float:
    """Share of the wall time in which GPUs wait."""
    wall = sum(each.wall for each in times)
    return 1 - sum(each.compute for each in times) / wall if wall else 0.0


def measured_gmacs(device: str, size: int = 224, clips: int = 2) -> float:
    """10^9 multiply-accumulates a second of I3D-R50's forward pass on whole clips, with as many threads as torch has.

    Training differs: on a GPU, measure it with `ada3d train --videos 256` and give the figure.
    """
    with torch.random.fork_rng(devices=[]):
        classifier = NetworkClassifier(MaskedResNet3d(I3D_R50, 400), size, device=device)
    pixels = np.random.default_rng(0).integers(256, size=(clips, FRAMES, 3, size, size), dtype=np.uint8)
    masks = np.ones((clips, FRAMES), np.bool_), np.ones((clips, I3D_R50.num_stages), np.bool_)
    seconds = alternate({"forward": lambda: classifier.scores(pixels, *masks)}, ROUNDS)["forward"]
    return float(classifier.macs(*masks).sum() / np.median(seconds)) / 1e9


def measured_decoding(width: int = 340, height: int = 256, seconds: int = 10, clips: int = 12) -> float:
    """8-frame training clips a second that one thread decodes, of generated H.264 videos in the page cache.

    A key frame every two seconds; where they are further apart, as encoders leave them by default, it takes longer.
    """
    with tempfile.TemporaryDirectory() as folder:
        records = [_video(Path(folder) / f"{number}.mp4", width, height, seconds, number) for number in range(2)]
        sampler = ClipSampler(FRAMES, 8, clips, 224, (256, 320), random=True, flip=True)
        source = VideoClips(records, ("a",), sampler, observation_size=112, workers=1, ahead_bytes=1)
        ids = [np.array([clip]) for clip in np.random.default_rng(0).permutation(len(source))[:clips]]
        taken = alternate({"decode": lambda: [source.clips(each) for each in ids]}, ROUNDS)["decode"]
        source.close()
    return float(clips / np.median(taken))


def _video(path: Path, width: int, height: int, seconds: int, seed: int) -> VideoRecord:
    """Noise, and a scene that moves."""
    rng, rate = np.random.default_rng(seed), 25
    noise = rng.integers(-8, 9, (4, height, width, 1), np.int16)
    coarse = rng.integers(8, 248, (height // 20 + 1, (width + rate * seconds) // 10 + 1, 3), np.int16)
    scene = coarse.repeat(20, 0).repeat(10, 1)[:height]
    shown = [scene[:, shift : shift + width] + noise[shift % len(noise)] for shift in range(rate * seconds)]
    write_video(path, np.stack(shown).astype(np.uint8), rate, key_frames=2 * rate)
    found = probe(path)
    figures = found.frames, "", found.size, found.width, found.height, found.rate, found.seekable
    return VideoRecord(path, (0,), *figures, packets=found.packets)
