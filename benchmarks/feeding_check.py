"""Does `ada3d paper cost` say what real epochs take?

    python -m benchmarks.feeding --json feeding.json
    python -m benchmarks.feeding_check feeding.json            # 300 videos to train on, 75 to judge on, in 3 minutes
    python -m benchmarks.feeding_check feeding.json --quick

`ada3d train --profile` runs on drawn videos of 340 x 256 (`benchmarks.feeding_videos`): an epoch of the selection
network's trunk, tiny here, so that decoding takes most of the time; an epoch of a 3D network on whole clips of 224
pixels, which takes most of it there; and that network judged on ten clips of each test video. Beside each stands what
`experiments.paper.cost` predicts for the same phases: clips over the rates of feeding.json, operations over the
network's rate, which a run on half of the videos says, decoding taken out.

CPU seconds, of all threads, are compared, since other work on the machine disturbs them little; seconds by the clock,
too, which hold where nothing else runs ("others" are the cores' worth of other work meanwhile). Networks and decoding
share the cores here, so their times add up. The summary's `worst` is the largest deviation in CPU time, `worst_clock`
by the clock.
"""

from __future__ import annotations

import json as json_module
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from tabulate import tabulate

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.folders import check_output
from ada3d_gym.experiments.paper.decoding import Feeding
from ada3d_gym.experiments.paper.phases import Networks, Phase, judging, pretraining
from ada3d_gym.experiments.paper.phases import Videos as Counts
from ada3d_gym.experiments.paper.rates import Machine, time_of
from ada3d_gym.experiments.pipeline import train_run
from ada3d_gym.experiments.pretraining import pretraining as run_of_pretraining
from ada3d_gym.experiments.profiles import PROFILE
from ada3d_gym.experiments.runs import Run, compose
from ada3d_gym.files import writing
from ada3d_gym.workers import default_workers
from benchmarks.feeding_process import machine_seconds
from benchmarks.feeding_videos import CLASSES, Videos, feeding_videos

PART = 4  # of the videos: the part that is judged on
MEASURED = 2  # of the videos: the part that the network's rate is measured on; a first batch takes longer
MICRO_BATCH = 16  # clips in a pass of the classifier's training, for memory
SIDE = 64  # of the frames that the policy sees: the largest that a tiny trunk is for
NAMES = {"trunk": "trunk", "classifier": "classifier on whole clips", "judged": "judging"}  # in profile and prediction


@dataclass(frozen=True)
class Took:
    """What a phase of a run took.

    Attributes:
        cpu, wall: seconds of CPU time of all threads, and by the clock.
        decoding: CPU seconds of the threads that decode.
    """

    cpu: float
    wall: float
    decoding: float


def feeding_check(
    feeding: tyro.conf.Positional[Path],
    quick: bool = False,
    videos: int | None = None,
    backbone: str = "i3d_tiny",
    json: Path | None = None,
) -> None:
    """Compares.

    Args:
        feeding: file of `python -m benchmarks.feeding --json`.
        quick: fewer videos.
        videos: to train on, and a quarter as many to judge on; 300, or 64 if quick.
        backbone: the 3D network.
        json: file that gets the figures.
    """
    count = videos or (64 if quick else 300)
    if count < PART**2:
        raise InputError(f"videos={count}: expected at least {PART**2}")
    if json is not None:
        check_output(json, "--json")
    part, whole = (feeding_videos(each, each // PART) for each in (count // MEASURED, count))
    rates = Feeding.read(feeding, whole.seconds, whole.bytes_a_second).formats["files"]
    cores = default_workers()
    rows: list[dict[str, Any]] = []
    found, (real, others) = taken(part, backbone)[0], taken(whole, backbone)
    small, large = (predicted(composed(each, backbone), each) for each in (part, whole))
    for name, its in large.items():
        rate = small[name].macs / (found[name].cpu - found[name].decoding) / 1e9
        machine = Machine(min(cores, torch.get_num_threads()), rate, cores, rates, shared=True)
        needed = time_of(its, 8, machine)
        took = real[name]
        rows.append(
            {
                "phase": NAMES[name],
                "clips": its.clips,
                "CPU s, predicted": needed.gpu + needed.core,
                "of it decoding": needed.core,
                "CPU s, real": took.cpu,
                "ratio": (needed.gpu + needed.core) / took.cpu,
                "s, predicted": needed.wall,
                "s, real": took.wall,
                "ratio by the clock": needed.wall / took.wall,
            }
        )
    summary = {
        "worst": max(abs(row["ratio"] - 1) for row in rows),
        "worst_clock": max(abs(row["ratio by the clock"] - 1) for row in rows),
        "others": others,
    }
    print("\n" + tabulate(rows, "keys", tablefmt="github", floatfmt=".2f"))
    print("\n" + "\n".join(f"{name}: {value:.3f}" for name, value in summary.items()))
    if json is not None:
        with writing(json.parent):
            json.write_text(json_module.dumps({"summary": summary, "rows": rows}, indent=1) + "\n")


def composed(videos: Videos, backbone: str) -> Run:
    """A run of an epoch of the trunk and one of the classifier, and of a judgement."""
    environment: dict[str, Any] = {"data_root": str(videos.root), "checkpoint": "random", "backbone": backbone}
    environment["observation_size"] = SIDE
    once: dict[str, Any] = {"classifier_epochs": 1, "trunk_epochs": 1, "classifier_micro_batch": MICRO_BATCH}
    made = compose("Ada3D-Videos-v0", "reinforce", 0, environment=environment, **once)
    return run_of_pretraining(made)


def predicted(run_: Run, videos: Videos) -> dict[str, Phase]:
    """What the cost model says that a run computes and decodes, by the profile's names of phases."""
    counts = Counts(videos.train, videos.test, CLASSES)
    networks = Networks.of(run_, counts.classes)
    found = {phase.name: phase for phase in pretraining(run_, counts, networks)}
    (judged,) = judging(run_, "Upper", counts, networks.whole_test)
    return {"trunk": found[NAMES["trunk"]], "classifier": found[NAMES["classifier"]], "judged": judged}


def taken(videos: Videos, backbone: str) -> tuple[dict[str, Took], float]:
    """What a run's phases took, and the cores' worth of other work on the machine meanwhile."""
    run_ = composed(videos, backbone)
    with tempfile.TemporaryDirectory() as place:
        begun = clocks()
        train_run(run_, Path(place) / "run", "cpu", timed=False, profile=True)
        wall, cpu, machine = (after - before for after, before in zip(clocks(), begun, strict=True))
        phases = json_module.loads((Path(place) / "run" / PROFILE).read_text())["phases"]
    found = {
        name: Took(
            phases[name]["cpu_seconds"], phases[name]["seconds"], phases[name]["threads"]["decoder"]["cpu_seconds"]
        )
        for name in NAMES
    }
    return found, max(0.0, machine - cpu) / wall


def clocks() -> tuple[float, float, float]:
    """Seconds by the clock, of this process's CPU time, and of the machine's."""
    return time.perf_counter(), time.process_time(), machine_seconds()


if __name__ == "__main__":
    run(feeding_check)
