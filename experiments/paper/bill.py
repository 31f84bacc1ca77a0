"""Costs of many runs in figures: by phase, by table and in all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from ada3d_gym.experiments.paper import memory
from ada3d_gym.experiments.paper.decoding import Feeding
from ada3d_gym.experiments.paper.memory import Setting
from ada3d_gym.experiments.paper.phases import Videos
from ada3d_gym.experiments.paper.rates import BUSY, Machine, Time, bottleneck, cores_needed, idle
from ada3d_gym.experiments.paper.reproduction import Job
from ada3d_gym.experiments.paper.ways import HOUR, Entry, cells, reading, ways

GIB, GB = 2**30, 1e9


def figures(
    tables: Mapping[str, Sequence[Job]],
    videos: Videos,
    video_bytes: int | None,
    machine: Machine,
    seeds: int,
    feeding: Feeding | None = None,
) -> dict[str, Any]:
    """What is printed and written.

    Args:
        tables: the jobs of each.
        videos: that they run on.
        video_bytes: of the files.
        machine: that they run on.
        seeds: of every job.
        feeding: rates of other ways to read videos.

    Returns:
        "phases" and "tables", a dict for each row; "total", of jobs that tables share once; "disk", bytes by what for;
        "sentence", on what waits for what; "ways", a dict for each way to read videos.
    """
    entries = {name: _entries(jobs, machine, seeds) for name, jobs in tables.items()}
    every = _entries(list({job.name: job for jobs in tables.values() for job in jobs}.values()), machine, seeds)
    groups: dict[str, list[Entry]] = {}
    for entry in every:
        groups.setdefault(_group(entry.phase.name), []).append(entry)
    jobs = {entry.job.name: entry.job for entry in every}
    return {
        "phases": [
            _row("phase", name, group, machine) | _memory(group, videos, machine) for name, group in groups.items()
        ],
        "tables": [_row("table", name, group, machine) for name, group in entries.items()],
        "total": _row("table", "all, shared runs once", every, machine) | _memory(every, videos, machine),
        "disk": _disk(list(jobs.values()), videos, video_bytes, seeds),
        "sentence": sentence([entry.time for entry in every], machine),
        "ways": ways(every, machine, feeding, videos) if feeding else [],
    }


def sentence(times: Sequence[Time], machine: Machine) -> str:
    """What waits for what."""
    needed, waiting = cores_needed(times, machine), idle(times)
    gpus = f"{machine.gpus} GPU{'s' if machine.gpus > 1 else ''} busy"
    if machine.shared:
        return f"{machine.cores} cores decode and compute; they are all that there is to wait for"
    told = f"decoding needs {needed} core{'s' if needed > 1 else ''} to keep {gpus} {BUSY:.0%} of the time"
    return f"{told}; with {machine.cores} cores GPUs idle {waiting:.0%} of the time"


def shown(report: Mapping[str, Any], machine: Machine) -> str:
    """As text."""
    phases = [_cells(row) for row in report["phases"]]
    tables = [_cells(row) for row in (*report["tables"], report["total"])]
    disk = [
        [name, f"{size / GB:,.2f} GB" if size is not None else "not known"] for name, size in report["disk"].items()
    ]
    parts = [tabulate(rows, "keys", tablefmt="github", disable_numparse=True) for rows in (phases, tables)]
    parts.append(tabulate(disk, ["disk", "bytes"], tablefmt="github", disable_numparse=True))
    if report["ways"]:
        rows = [cells(row, machine.cores) for row in report["ways"]]
        parts.append(tabulate(rows, "keys", tablefmt="github", disable_numparse=True))
    return "\n\n".join([*parts, f"{report['sentence'][0].upper()}{report['sentence'][1:]}."])


def _entries(jobs: Iterable[Job], machine: Machine, seeds: int) -> list[Entry]:
    entries = []
    for job in jobs:
        runs = 1 if job.shared else seeds
        for phase in (each.times(runs) for each in job.phases):
            entries.append(Entry.of(job, phase, runs, machine))
    return entries


def _group(name: str) -> str:
    """Judgements of all methods count together."""
    return re.sub(r"^judging .*, (\d+ clips)$", r"judging, \1", name)


def _row(kind: str, name: str, entries: Sequence[Entry], machine: Machine) -> dict[str, Any]:
    times = [entry.time for entry in entries]
    return {
        kind: name,
        "runs": sum({entry.job.name: entry.runs for entry in entries}.values()),
        "clips": sum(entry.phase.clips for entry in entries),
        "pulls": sum(entry.phase.pulls for entry in entries),
        "forward": sum(entry.phase.forward for entry in entries),
        "backward": sum(entry.phase.backward for entry in entries),
        "gpu_hours": sum(each.gpu for each in times) / HOUR,
        "core_hours": sum(each.core for each in times) / HOUR,
        "hours": sum(each.wall for each in times) / HOUR,
        "bottleneck": bottleneck(times),
        "cores_needed": cores_needed(times, machine),
        **reading(entries),
    }


def _memory(entries: Sequence[Entry], videos: Videos, machine: Machine) -> dict[str, float]:
    """Bytes at the peak of any phase, of each GPU and of all processes."""
    gpu, host = 0.0, 0.0
    runs = 1 if machine.shared else machine.gpus
    seen: dict[tuple[object, ...], Entry] = {}
    for entry in entries:
        settings, phase = entry.job.run.settings, entry.phase
        key = settings["backbone"], settings["num_frames"], phase.batch, phase.training, phase.pulls > 0, phase.alone
        seen.setdefault(key, entry)
    for entry in seen.values():
        of = Setting.of(entry.job.run, videos.classes)
        gpu = max(gpu, memory.gpu_memory(entry.phase, of, machine.processes))
        host = max(host, memory.host_memory(entry.phase, of, videos, machine.processes, runs, machine.cores))
    return {"gpu_bytes": gpu, "host_bytes": host}


def _disk(jobs: Sequence[Job], videos: Videos, video_bytes: int | None, seeds: int) -> dict[str, float | None]:
    runs = cache = 0
    for job in jobs:
        of = Setting.of(job.run, videos.classes)
        judged = [phase.clips for phase in job.phases if phase.name.startswith("judging")]
        trained = job.run.classifier_epochs > 0
        runs += memory.run_disk(of, sum(judged), trained) * (1 if job.shared else seeds)
        cache = max(cache, max(judged, default=0) * of.clip(of.test))
    return {
        "videos": video_bytes,
        "indexes": memory.INDEX * (videos.train + videos.test),
        "folders of runs": runs,
        "decoded test clips, if cached": cache,
    }


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    kind = next(iter(row))
    cells = {
        kind: str(row[kind]),
        "runs": str(row["runs"]),
        "10⁶ clips": f"{row['clips'] / 1e6:,.2f}",
        "forward, 10¹⁵ MACs": f"{row['forward'] / 1e15:,.1f}",
        "backward": f"{row['backward'] / 1e15:,.1f}",
        "GPU h": f"{row['gpu_hours']:,.1f}",
        "core h": f"{row['core_hours']:,.1f}",
        "h": f"{row['hours']:,.1f}",
        "waits for": row["bottleneck"],
        "cores needed": f"{row['cores_needed']:,}",
    }
    if row["read"] is not None:
        cells |= {"read, TB": f"{row['read'] / 1e12:,.2f}", "MB/s": f"{row['mb_per_second']:,.0f}"}
    if "gpu_bytes" in row and kind == "phase":
        cells |= {"GPU GiB": f"{row['gpu_bytes'] / GIB:.1f}", "host GiB": f"{row['host_bytes'] / GIB:.1f}"}
    return cells
