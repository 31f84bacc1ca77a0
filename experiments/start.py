"""From a folder of class folders to a trained policy, predictions and a report:

    ada3d start FOLDER                # FOLDER/walk/a.mp4, FOLDER/run/b.mov, …
    ada3d start FOLDER --minutes 30
    ada3d start FOLDER --dry-run      # what was found, the settings with reasons, and the command that trains by hand

The folder is only read. Below the output folder lie the lists of train, val and test videos, the settings, the trained
model, its rivals and `report.html`. Interrupted and started again, the command goes on where it was.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import tyro

from ada3d_gym.agents.registry import agent_class, agent_options, parse
from ada3d_gym.datasets import index_path
from ada3d_gym.devices import checked_device
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.configuration import assignment, plain
from ada3d_gym.experiments.folders import claimed
from ada3d_gym.experiments.index_videos import index_videos
from ada3d_gym.experiments.own.collecting import collect
from ada3d_gym.experiments.own.lists import Shares, share_out, write_lists
from ada3d_gym.experiments.own.planning import computed, kept_proposal, new_proposal
from ada3d_gym.experiments.own.proposal import GAMMAS
from ada3d_gym.experiments.own.report import write_report
from ada3d_gym.experiments.own.runs import AGENT, Runs
from ada3d_gym.experiments.own.survey import survey
from ada3d_gym.experiments.profiles import PROFILE, profiled
from ada3d_gym.experiments.scratch.options import ScratchOptions
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.progress import duration
from ada3d_gym.rewards import MaskReward
from ada3d_gym.seeding import spawn
from ada3d_gym.video.sampling import Sampling

MOST_MINUTES = 100_000  # ten weeks


def start(
    folder: tyro.conf.Positional[Path],
    minutes: float = 10.0,
    split: tuple[float, float, float] = (70.0, 15.0, 15.0),
    size: int | None = None,
    backbone: str | None = None,
    sampling: Sampling | None = None,
    stride: int | None = None,
    views: int | None = None,
    flip: bool = False,
    gamma: float | None = None,
    scratch: tuple[str, ...] = (),
    set: tuple[str, ...] = (),
    seed: int = 0,
    device: str = "cpu",
    workers: int | None = None,
    dry_run: bool = False,
    output: Path | None = None,
    profile: bool = False,
) -> None:
    """Surveys a folder of videos, proposes settings, trains a policy and its rivals, and writes a report.

    Args:
        folder: of class folders; or with folders train, val, test of such; or with train.csv at its top.
        minutes: to plan for, all included.
        split: shares of train, val and test, where the folder does not say.
        size: side of the clips in pixels; from the videos by default, as the next four.
        backbone: the 3D network.
        sampling: how a clip's frames are chosen, see docs/videos.md.
        stride: distance between a clip's frames.
        views: clips of each video.
        flip: mirror half of the training clips; not where left and right are what classes differ by.
        gamma: penalty of a wrong answer (Eq. 4), larger spends more; chosen on the validation videos by default.
        scratch: options of the training from scratch, as batch=16.
        set: options of the agent, as epochs=3.
        seed: of everything random.
        device: where networks run.
        workers: threads that decode; the cores of this machine over the processes on it by default.
        dry_run: stop before training.
        output: folder of all results; runs/start-FOLDER by default.
        profile: measure where the time of this process goes, and write `profile.json` into the output folder. Rivals
            may be trained in processes of their own, and are then "other".
    """
    checked_device(device)
    if not 0 < minutes <= MOST_MINUTES:
        raise InputError(f"minutes={minutes:g}: expected a number above 0, and at most {MOST_MINUTES}")
    spawn(seed)  # a wrong seed or gamma is named before anything is opened
    MaskReward(gamma=0.0 if gamma is None else gamma)
    if backbone is not None and backbone not in SPECS:
        raise InputError(f"unknown backbone {backbone!r}: expected one of {', '.join(SPECS)}")
    shares = Shares(*split)
    place = output or Path("runs") / f"start-{folder.resolve().name}"
    chosen: dict[str, Any] = {
        "size": size,
        "backbone": backbone,
        "sampling": sampling,
        "stride": stride,
        "views": views,
    }
    chosen |= {"gamma": gamma, "flip": flip or None}
    if workers is not None and workers < 1:
        raise InputError(f"workers={workers}: expected at least 1")
    for name, value, least, most in (("size", size, 16, 256), ("stride", stride, 1, 10_000), ("views", views, 1, 1000)):
        if value is not None and not least <= value <= most:
            raise InputError(f"{name}={value}: expected {least} to {most}")
    options = dict(assignment(each, agent_class(AGENT).Options) for each in set)
    agent_options(AGENT, options)
    recipe = dict(assignment(each, ScratchOptions) for each in scratch)
    parse(ScratchOptions, recipe, "option of the scratch recipe")
    given = plain({"folder": folder.absolute(), "minutes": minutes, "split": split, "seed": seed, "device": device})
    given |= plain({"chosen": chosen, "set": options, "scratch": recipe})
    collection = collect(folder)
    runs = Runs(place, GAMMAS if gamma is None else (gamma,), seed, device, workers)
    with claimed(place, given, computed=computed), profiled(place / PROFILE, device, profile):
        found = survey(collection, index_path("videos", runs.lists, "probes").with_suffix(".jsonl"))
        print("\n".join(found.lines()) + "\n", flush=True)
        splits = share_out(found.videos, found.class_names, shares, seed, collection.folder)
        kept = kept_proposal(place, given, splits)  # before anything of a start with other videos is written over
        write_lists(runs.lists, splits, found.class_names)
        index_videos("videos", root=runs.lists)
        proposal = kept or new_proposal(place, given, found, splits, minutes, chosen, device)
        proposal.config["agents"][AGENT] |= options
        proposal.config["scratch"] |= recipe
        runs.write_settings(proposal.config)
        print(f"\n{proposal.table()}\n\n{proposal.expected}\nby hand: {runs.command()}", flush=True)
        if dry_run:
            return
        begun = time.perf_counter()
        results = runs.finish(proposal.seconds)
        said = write_report(place / "report.html", runs, found, splits, proposal, results)
        print("\n".join([f"took {duration(time.perf_counter() - begun)} this time", *said]))


if __name__ == "__main__":
    run(start)
