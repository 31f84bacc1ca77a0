"""What it costs to reproduce the paper's tables on a data set, phase by phase, before anything is downloaded:

    python -m benchmarks.feeding --json feeding.json        # in a clone: what this machine's cores decode
    ada3d paper cost Ada3D-FCVID-v0 --gpus 8 --gpu a100 --cores 64 --feeding feeding.json
    ada3d paper cost Ada3D-FCVID-v0 --tables 1 5 6 --gpu-gmacs-per-second 6000 --decode-clips-per-second 30

Epochs and batches come from the configuration file that the tables are trained with, operations from the networks'
counters, numbers of videos from the data set's index or, where there is none, from the paper. A rate that is not given
is measured on this machine, in some 20 seconds. Everything else that is assumed is printed.
"""

from __future__ import annotations

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Literal

import torch
import tyro

from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.folders import check_output
from ada3d_gym.experiments.paper.bill import figures, shown
from ada3d_gym.experiments.paper.decoding import Decoding, Feeding
from ada3d_gym.experiments.paper.phases import Videos
from ada3d_gym.experiments.paper.rates import Machine, measured_decoding, measured_gmacs
from ada3d_gym.experiments.paper.reproduction import (
    BYTES_A_SECOND,
    Found,
    Reproduction,
    found_videos,
    reported,
)
from ada3d_gym.files import writing
from ada3d_gym.precision import Precision
from ada3d_gym.registration import ENVIRONMENTS, check_id
from ada3d_gym.workers import default_workers

# NVIDIA trains ResNet-50 at 938 images of 4.1 GMACs a second on an A100 in TF32, PyTorch's precision for float32
# convolutions (DeepLearningExamples, PyTorch/Classification/ConvNets/resnet50v1.5): 11,500 GMACs/s with the backward
# pass as two. Half of that is assumed for networks whose clips keep different frames; nobody has measured it.
ASSUMED_GMACS = {"a100": 6000.0}
CORES = 8  # beside each GPU, an assumption: machines with 8 A100s have 48 to 128
CPU_RATE = (
    "NO GPU WAS MEASURED: each GPU below is as fast as the CPU of this machine. Give a GPU's rate by --gpu a100 (an "
    "assumed one), --gpu-gmacs-per-second N, or --device cuda on a machine with one; --cpu is for no GPUs."
)
ASSUMPTIONS = (
    "a backward pass counts twice its forward pass; masks of REINFORCE's stage 1 count as whole clips",
    "clips of 16 frames take twice as long to decode; the next batch is decoded while one is computed",
    "GPUs have something to do at all times, though runs wait for those that they are made of",
    "memory is estimated from feature maps, weights and optimizers, every frame and stage on",
)


def cost(
    env: tyro.conf.Positional[str],
    gpus: int = 8,
    together: bool = False,
    gpu_gmacs_per_second: float | None = None,
    gpu: Literal["a100"] | None = None,
    decode_clips_per_second: float | None = None,
    feeding: Path | None = None,
    cores: int | None = None,
    cpu: bool = False,
    tables: tuple[str, ...] = (),
    seeds: int = 1,
    videos: int | None = None,
    test_videos: int | None = None,
    share: float | None = None,
    precision: Precision | None = None,
    micro_batch: int | None = None,
    recompute: tyro.conf.FlagCreatePairsOff[bool] = False,
    config: Path | None = None,
    data_root: Path | None = None,
    device: str = "cpu",
    json: Path | None = None,
) -> None:
    """Prints the cost of each phase and each table.

    Args:
        env: a registered id; its data set counts, tables choose networks and lengths of clips.
        gpus: at work, each on runs of its own, as the same command started once for each shares them.
        together: all of them train one run at a time, by torchrun; then each has its part of a batch.
        gpu_gmacs_per_second: 10^9 multiply-accumulates a second of each; measured on `device` by default.
        gpu: take an assumed rate instead.
        decode_clips_per_second: clips of 8 frames that a core decodes; measured by default, on generated videos.
        feeding: file of `python -m benchmarks.feeding --json`, whose rates are taken instead: of training and test
            clips, of videos as long as the data set's, and of other ways to read them.
        cores: that decode; 8 for each GPU by default.
        cpu: there are no GPUs: the cores that decode compute as well, and both times add up.
        tables: 1, 3, 4, 5, 6 or F3 (Figure 3); those that the paper reports of the data set by default.
        seeds: of every run.
        videos: of the training split, instead of the index's or published number.
        test_videos: of the test split, likewise.
        share: of the operations of a whole clip under learned masks; the paper's by default.
        precision: of passes; the configuration's by default. Memory follows it, times do not.
        micro_batch: clips in a pass of each network's training, where whole batches take too much memory.
        recompute: have the classifier's feature maps computed anew in its backward pass, see `ada3d train`.
        config: YAML file of settings; experiments/configs/DATASET.yaml by default.
        data_root: folder of the videos, whose index is then used.
        device: where operations are measured.
        json: file that gets the figures, too.
    """
    check_id(env)
    rates = {"gpu_gmacs_per_second": gpu_gmacs_per_second, "decode_clips_per_second": decode_clips_per_second}
    counts = {"gpus": gpus, "cores": cores, "seeds": seeds, "videos": videos, "test_videos": test_videos}
    counts["micro_batch"] = micro_batch
    for name, value in {**rates, **counts, "share": share}.items():
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"{name}={value}: expected more than 0")
    if share is not None and share > 1:
        raise InputError(f"share={share}: expected at most 1")
    if feeding is not None and decode_clips_per_second is not None:
        raise InputError("decode_clips_per_second would be ignored beside feeding: give one or the other")
    if cpu and (gpu is not None or device != "cpu"):
        raise InputError("cpu: there are no GPUs, so give neither gpu nor another device")
    if gpu is not None and gpu_gmacs_per_second is not None:
        raise InputError(f"gpu={gpu} would be ignored beside gpu_gmacs_per_second: give one or the other")
    if json is not None:
        check_output(json, "--json")
    dataset = ENVIRONMENTS[env]["dataset"]
    found, video_bytes, seconds, source = _videos(dataset, data_root, videos, test_videos)
    plan = Reproduction(dataset, found, config, share, precision, micro_batch, recompute or None)
    jobs = {table: list(plan.jobs(table)) for table in tables or reported(dataset)}
    fed = None
    if feeding is not None:
        length = (found.train + found.test) * seconds
        fed = Feeding.read(feeding, seconds, BYTES_A_SECOND if video_bytes is None else video_bytes / length)
    gmacs, told_gmacs = _gmacs(gpu_gmacs_per_second, gpu, device, cpu)
    decoding, told_decoding = _decoding(decode_clips_per_second, fed, feeding)
    there = cores or (default_workers() if cpu else CORES * gpus)
    machine = Machine(there if cpu else gpus, gmacs, there, decoding, together, cpu)
    rates_told = [told_gmacs, told_decoding, _told_cores(cores, there, cpu)]
    told = [f"videos: {found.train:,} to train on and {found.test:,} to test ({source})", *rates_told]
    kept = {(job.run.settings["backbone"], job.run.settings["num_frames"]) for each in jobs.values() for job in each}
    told += [_masks(plan, backbone, frames) for backbone, frames in sorted(kept)]
    told += ASSUMPTIONS
    report = figures(jobs, found, video_bytes, machine, seeds, fed)
    guessed = gpu is None and gpu_gmacs_per_second is None and torch.device(device).type == "cpu" and not cpu
    warned = [CPU_RATE] if guessed else []
    head = [f"{dataset}, seeds: {seeds}", *warned, *(f"- {each}" for each in told)]
    print("\n".join([*head, "", shown(report, machine)]))
    if json is not None:
        assumed = {"assumed": [*warned, *told]}
        content = {"machine": asdict(machine), "videos": asdict(found), "seeds": seeds, **assumed, **report}
        with writing(json.parent):
            json.write_text(dumps(content, indent=1) + "\n")


def _gmacs(given: float | None, gpu: Literal["a100"] | None, device: str, cpu: bool) -> tuple[float, str]:
    """10^9 multiply-accumulates a second of each GPU, or of each core, and where that is from."""
    each = "core" if cpu else "GPU"
    if given is not None:
        return given, f"{given:,.0f} GMACs/s each {each}: as given"
    if gpu is not None:
        rate = ASSUMED_GMACS[gpu]
        return rate, f"{rate:,.0f} GMACs/s each GPU: an assumption for {gpu}, half of NVIDIA's ResNet-50 in TF32"
    threads = torch.get_num_threads()
    rate = measured_gmacs(checked_device(device)) / (threads if cpu else 1)
    what = f"{device}, {threads} threads" if device == "cpu" else device
    return rate, f"{rate:,.1f} GMACs/s each {each}: measured here, on {what}, forward passes of I3D-R50"


def _decoding(given: float | None, fed: Feeding | None, path: Path | None) -> tuple[Decoding, str]:
    """What a core decodes, and where that is from."""
    if fed is not None:
        decoding = fed.formats["files"]
        kinds = {"training": decoding.training, "test": decoding.test}
        rates = [f"{clips.rate:.1f} {kind} clips/s ({clips.efficiency:.0%})" for kind, clips in kinds.items()]
        return decoding, f"{' and '.join(rates)} each core (beside others): {path}, {fed.told}"
    if given is not None:
        return Decoding.even(given), f"{given:.1f} clips/s each core: as given"
    rate = measured_decoding()
    return Decoding.even(rate), f"{rate:.1f} clips/s each core: measured here, 340 x 256 H.264, a key frame every 2 s"


def _told_cores(given: int | None, cores: int, cpu: bool) -> str:
    if cpu:
        return f"{cores} cores decode and compute" + (": those of this machine" if given is None else "")
    return f"{cores} decoding cores" + (f": {CORES} for each GPU, an assumption" if given is None else "")


def _masks(plan: Reproduction, backbone: str, frames: int) -> str:
    share = plan.share(backbone.partition("_")[0], frames)
    source = "as given" if plan.masks is not None else "the paper's own"
    return f"{backbone}, {frames} frames: learned masks leave {share:.0%} of a whole clip's operations ({source})"


def _videos(dataset: str, data_root: Path | None, train: int | None, test: int | None) -> Found:
    found = found_videos(dataset, data_root)
    there = found.videos
    given = Videos(train or there.train, test or there.test, there.classes)
    if given == there:
        return found
    share = (given.train + given.test) / (there.train + there.test)
    size = found.size and round(found.size * share)
    return Found(given, size, found.seconds, f"as given; the rest from {found.source}")


if __name__ == "__main__":
    run(cost)
