"""What it costs to reproduce the paper's tables on a data set, phase by phase, before anything is downloaded:

    ada3d paper cost Ada3D-FCVID-v0 --gpus 8 --gpu a100 --decode-clips-per-second 30
    python -m experiments.paper.cost Ada3D-FCVID-v0 --tables 1 5 6 --gpu-gmacs-per-second 6000

Epochs and batches come from the configuration file that the tables are trained with, operations from the networks'
counters, numbers of videos from the data set's index or, where there is none, from the paper. A rate that is not given
is measured on this machine, in some 20 seconds. Everything else that is assumed is printed.
"""

from __future__ import annotations

from dataclasses import asdict, replace
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
from ada3d_gym.experiments.paper.phases import Videos
from ada3d_gym.experiments.paper.rates import Machine, measured_decoding, measured_gmacs
from ada3d_gym.experiments.paper.reproduction import Reproduction, found_videos, reported
from ada3d_gym.files import writing
from ada3d_gym.registration import ENVIRONMENTS, check_id

# NVIDIA trains ResNet-50 at 938 images of 4.1 GMACs a second on an A100 in TF32, PyTorch's precision for float32
# convolutions (DeepLearningExamples, PyTorch/Classification/ConvNets/resnet50v1.5): 11,500 GMACs/s with the backward
# pass as two. Half of that is assumed for networks whose clips keep different frames; nobody has measured it.
ASSUMED_GMACS = {"a100": 6000.0}
DECODING_THREADS = 2  # of each process, `workers` of `video_clips`
ASSUMPTIONS = (
    "a backward pass counts twice its forward pass; masks of REINFORCE's stage 1 count as whole clips",
    "clips of 16 frames take twice as long to decode; decoding and computing overlap",
    "GPUs have something to do at all times, though runs wait for those that they are made of",
    "memory is estimated from feature maps, weights and optimizers, everything kept",
)


def cost(
    env: tyro.conf.Positional[str],
    gpus: int = 8,
    together: bool = False,
    gpu_gmacs_per_second: float | None = None,
    gpu: Literal["a100"] | None = None,
    decode_clips_per_second: float | None = None,
    cores: int | None = None,
    tables: tuple[str, ...] = (),
    seeds: int = 1,
    videos: int | None = None,
    test_videos: int | None = None,
    share: float | None = None,
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
        cores: that decode; 2 for each GPU by default, as `ada3d train` has it.
        tables: 1, 3, 4, 5, 6 or F3 (Figure 3); those that the paper reports of the data set by default.
        seeds: of every run.
        videos: of the training split, instead of the index's or published number.
        test_videos: of the test split, likewise.
        share: of the operations of a whole clip under learned masks; the paper's by default.
        config: YAML file of settings; experiments/configs/DATASET.yaml by default.
        data_root: folder of the videos, whose index is then used.
        device: where operations are measured.
        json: file that gets the figures, too.
    """
    check_id(env)
    rates = {"gpu_gmacs_per_second": gpu_gmacs_per_second, "decode_clips_per_second": decode_clips_per_second}
    counts = {"gpus": gpus, "cores": cores, "seeds": seeds, "videos": videos, "test_videos": test_videos}
    for name, value in {**rates, **counts, "share": share}.items():
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"{name}={value}: expected more than 0")
    if share is not None and share > 1:
        raise InputError(f"share={share}: expected at most 1")
    if gpu is not None and gpu_gmacs_per_second is not None:
        raise InputError(f"gpu={gpu} would be ignored beside gpu_gmacs_per_second: give one or the other")
    if json is not None:
        check_output(json, "--json")
    dataset = ENVIRONMENTS[env]["dataset"]
    found, video_bytes, source = _videos(dataset, data_root, videos, test_videos)
    plan = Reproduction(dataset, found, config, share)
    jobs = {table: list(plan.jobs(table)) for table in tables or reported(dataset)}
    machine, rates_told = _machine(gpus, gpu_gmacs_per_second, gpu, decode_clips_per_second, cores, device)
    machine = replace(machine, together=together)
    told = [f"videos: {found.train:,} to train on and {found.test:,} to test ({source})", *rates_told]
    kept = {(job.run.settings["backbone"], job.run.settings["num_frames"]) for each in jobs.values() for job in each}
    told += [_masks(plan, backbone, frames) for backbone, frames in sorted(kept)]
    told += ASSUMPTIONS
    report = figures(jobs, found, video_bytes, machine, seeds)
    print("\n".join([f"{dataset}, seeds: {seeds}", *(f"- {each}" for each in told), "", shown(report, machine)]))
    if json is not None:
        content = {"machine": asdict(machine), "videos": asdict(found), "seeds": seeds, "assumed": told, **report}
        with writing(json.parent):
            json.write_text(dumps(content, indent=1) + "\n")


def _machine(
    gpus: int,
    gmacs: float | None,
    gpu: Literal["a100"] | None,
    clips: float | None,
    cores: int | None,
    device: str,
) -> tuple[Machine, list[str]]:
    """The machine, and where its rates are from."""
    told = []
    if gpu is not None:
        gmacs = ASSUMED_GMACS[gpu]
        told.append(f"{gmacs:,.0f} GMACs/s each GPU: an assumption for {gpu}, half of NVIDIA's ResNet-50 in TF32")
    elif gmacs is None:
        gmacs = measured_gmacs(checked_device(device))
        what = f"{device}, {torch.get_num_threads()} threads" if device == "cpu" else device
        told.append(f"{gmacs:,.1f} GMACs/s each GPU: measured here, on {what}, forward passes of I3D-R50")
    else:
        told.append(f"{gmacs:,.0f} GMACs/s each GPU: as given")
    if clips is None:
        clips = measured_decoding()
        told.append(f"{clips:.1f} clips/s each core: measured here, 340 x 256 H.264, a key frame every 2 s")
    else:
        told.append(f"{clips:.1f} clips/s each core: as given")
    if cores is None:
        told.append(f"{DECODING_THREADS * gpus} decoding cores: {DECODING_THREADS} threads a process, the default")
    return Machine(gpus, gmacs, cores or DECODING_THREADS * gpus, clips), told


def _masks(plan: Reproduction, backbone: str, frames: int) -> str:
    share = plan.share(backbone.partition("_")[0], frames)
    source = "as given" if plan.masks is not None else "the paper's own"
    return f"{backbone}, {frames} frames: learned masks leave {share:.0%} of a whole clip's operations ({source})"


def _videos(
    dataset: str, data_root: Path | None, train: int | None, test: int | None
) -> tuple[Videos, int | None, str]:
    found, size, source = found_videos(dataset, data_root)
    whole = found.train + found.test
    given = Videos(train or found.train, test or found.test, found.classes)
    if given == found:
        return found, size, source
    return given, size and round(size * (given.train + given.test) / whole), f"as given; the rest from {source}"


if __name__ == "__main__":
    run(cost)
