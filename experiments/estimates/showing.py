"""The block that stands before a training: what it will take of memory, disk and time, and whether that is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from ada3d_gym import parallel
from ada3d_gym.datasets import EMBEDDED_SETS, count_videos, find_root, load_index, observation_side
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.estimates.fitting import SPARE, SURE, Fit, fit, unfitted
from ada3d_gym.experiments.estimates.machine import free_disk, free_memory, sharing
from ada3d_gym.experiments.estimates.maps import run_bytes, saved_maps
from ada3d_gym.experiments.estimates.needs import Costs, Need, needs
from ada3d_gym.experiments.estimates.probing import probe_classifier, probe_selection
from ada3d_gym.experiments.paper.phases import Videos, sizes
from ada3d_gym.experiments.runs import Run
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.progress import duration

SMALLER = "a smaller --size, a smaller --backbone (i3d_small, i3d_tiny) or a machine with more memory"


def fitted(run: Run, folder: Path, device: str) -> Fit:
    """Passes of a run that fit into the memory there is, having printed what it takes; some seconds are measured.

    What a run is does not change: its updates are over as many clips as before, but batch norm that is trained sees
    those of a pass. A run on the embedded videos, on an outcome table or on a network of one's own stays as it is. Of
    several processes, passes are the smallest that any of them needs; what is printed is what the first takes.

    Args:
        run: as composed.
        folder: its own.
        device: where networks run.

    Raises:
        InputError: where the memory does not suffice even for a clip at a time.
    """
    settings = run.settings
    on_table = settings.get("outcomes") not in (None, "live")
    if settings["dataset"] in EMBEDDED_SETS or on_table or ":" in settings["backbone"]:
        return unfitted(run)
    spec, frames, sides = SPECS[settings["backbone"]], settings["num_frames"], sizes(settings)
    free = free_memory(device) / sharing(device)
    precision, recompute = run.precision, run.classifier_recompute
    _check(
        SURE * saved_maps(spec, sides[0], frames, precision, recompute),
        free,
        "one clip of the classifier's training",
        device,
    )
    videos = _videos(run)
    observed = settings.get("observation_size") or observation_side(sides[0])
    costs = Costs.of(
        run,
        sides,
        probe_classifier(spec, videos.classes, frames, sides[0], device, precision, recompute),
        probe_selection(spec.num_stages, frames, observed, run.options.get("aggregation", "concat"), device, precision),
    )
    phases = needs(run, videos, costs, parallel.world())
    parted = fit(run, phases, free)
    parted = parted.smallest(parallel.gather(parted))
    if parallel.rank() == 0:
        print(block(phases, parted, free, _disk(run, videos, costs), free_disk(folder), device), flush=True)
    for need in phases:
        _check(SURE * parted.bytes(need), free, f"{need.name}, in the smallest passes", device)
    return parted


def block(phases: Sequence[Need], parted: Fit, free: float, disk: float, free_on_disk: float, device: str) -> str:
    """Some lines: a row a phase, and what is left.

    Args:
        phases: of a run.
        parted: its passes.
        free: bytes of memory.
        disk: bytes that the run takes.
        free_on_disk: bytes.
        device: where networks run.
    """
    rows = []
    for name in dict.fromkeys(_group(need) for need in phases):
        group = [need for need in phases if _group(need) == name]
        seconds, most = sum(need.seconds for need in group), max(parted.bytes(need) for need in group)
        rows.append([name, _size(most), _passes(group[0], parted), duration(seconds)])
    peak = max((parted.bytes(need) for need in phases), default=0.0)
    total = duration(sum(need.seconds for need in phases))
    table = tabulate(rows, ["phase", "memory", "clips at once", "time"], tablefmt="plain", disable_numparse=True)
    lines = [
        f"estimate, within a third or so; {_size(free)} of {device} memory and {_size(free_on_disk)} of disk are free:",
        *(f"  {line}" for line in table.splitlines()),
        f"  in all: up to {_size(peak)} of memory, {_size(disk)} of disk, {total} beside decoding",
    ]
    if peak > free * SPARE:
        lines.append(f"warning: that may be more memory than there is: {SMALLER} takes less")
    if disk > free_on_disk:
        lines.append("warning: that is more disk than is free")
    return "\n".join(lines)


def _group(need: Need) -> str:
    return "judging" if need.name.startswith("judging") else need.name


def _passes(need: Need, parted: Fit) -> str:
    if not need.batch:
        return ""
    selection, classifier = parted.passes(need)
    found = dict.fromkeys(size for size, each in ((selection, need.selection), (classifier, need.classifier)) if each)
    return " and ".join(f"{size}" for size in found) + f" of {need.batch}"


def _size(count: float) -> str:
    return f"{count / 1e9:,.1f} GB"


def _check(least: float, free: float, what: str, device: str) -> None:
    if least > free:
        raise InputError(
            f"{what} takes about {_size(least / SURE)} of memory, and {device} has {_size(free)} free: give {SMALLER}"
        )


def _videos(run: Run) -> Videos:
    settings = run.settings
    dataset, root = settings["dataset"], settings.get("data_root")
    counts = [count_videos(dataset, split, root) for split in ("train", "test")]
    train, test = (min(count, settings.get("videos") or count) for count in counts)
    return Videos(train, test, len(load_index(dataset, find_root(dataset, root), "train").class_names))


def _disk(run: Run, videos: Videos, costs: Costs) -> float:
    """Bytes of the run's folder and of decoded clips."""
    settings, clips = run.settings, 0
    views = settings.get("views")
    if views:  # else those for training are too many to keep
        clips += videos.train * views * costs.train
    clips += videos.test * (views or 10) * costs.test
    cached = min(settings.get("cache_bytes", 0), clips)
    if run.classifier_recipe == "scratch":
        cached += min(run.scratch["bank_bytes"], videos.train * run.scratch["views"] * costs.train)
    networks = costs.classifier.weights + costs.selection.weights
    return float(run_bytes(networks, 0, True) + cached)
