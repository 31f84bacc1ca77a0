"""Ways to read the same videos beside each other: hours, cores that keep GPUs busy, and bytes from the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

from ada3d_gym.experiments.paper.decoding import FRAMES, Clips, Feeding
from ada3d_gym.experiments.paper.memory import Setting
from ada3d_gym.experiments.paper.phases import Phase, Videos
from ada3d_gym.experiments.paper.rates import Machine, Time, cores_needed, time_of
from ada3d_gym.experiments.paper.reproduction import Job

HOUR = 3600
NAMES = {
    "files": "files, by their index",
    "shards": "shards of these files",
    "reencoded": "shards, encoded anew",
    "decord": "files, decord alone",
}
KEPT = "files, decoded test clips kept"


@dataclass(frozen=True)
class Entry:
    """A phase of a run for all seeds, and how long it takes.

    Attributes:
        runs: how many of the job there are.
        read: bytes from the disk; None where nobody knows.
    """

    job: Job
    phase: Phase
    time: Time
    runs: int
    read: float | None

    @classmethod
    def of(cls, job: Job, phase: Phase, runs: int, machine: Machine) -> Entry:
        """A phase, of all runs of the job together, on a machine."""
        frames = int(job.run.settings["num_frames"])
        read = machine.decoding.of(phase.tested).bytes(phase.clips, frames)
        return cls(job, phase, time_of(phase, frames, machine), runs, read)


def reading(entries: Sequence[Entry]) -> dict[str, float | None]:
    """Bytes that entries read in all, and megabytes a second in the one of them that asks for the most."""
    known = [(entry.read, entry.time.wall) for entry in entries if entry.read is not None]
    if not known:
        return {"read": None, "mb_per_second": None}
    return {
        "read": sum(read for read, _ in known),
        "mb_per_second": max((read / wall / 1e6 for read, wall in known if wall), default=0.0),
    }


def ways(entries: Sequence[Entry], machine: Machine, feeding: Feeding, videos: Videos) -> list[dict[str, Any]]:
    """A row for each way to read videos, with the cores of the machine, and with as many as it takes.

    Args:
        entries: of all runs.
        machine: what computes and decodes; its decoding does not matter.
        feeding: rates.
        videos: how many there are.
    """
    found = []
    for name, decoding in feeding.formats.items():
        own = replace(machine, decoding=decoding)
        found.append(_way(NAMES[name], entries, own, None, videos))
        if name == "files":
            found.append(_way(KEPT, entries, own, feeding.cache, videos))
    return found


def _way(name: str, entries: Sequence[Entry], machine: Machine, cache: Clips | None, videos: Videos) -> dict[str, Any]:
    def on(cores: int) -> list[Entry]:
        given = replace(machine, cores=cores)
        same = [Entry.of(entry.job, entry.phase, entry.runs, given) for entry in entries]
        return same if cache is None else list(_kept(same, given, cache, videos))

    now = on(machine.cores)
    times = [entry.time for entry in now]
    needed = cores_needed(times, machine)
    then = on(needed)
    return {
        "videos from": name,
        "core_hours": sum(each.core for each in times) / HOUR,
        "hours": sum(each.wall for each in times) / HOUR,
        **reading(now),
        "cores_needed": needed,
        "hours_then": sum(entry.time.wall for entry in then) / HOUR,
        "mb_per_second_then": reading(then)["mb_per_second"],
    }


def _kept(entries: Sequence[Entry], machine: Machine, cache: Clips, videos: Videos) -> Iterator[Entry]:
    """With decoded test clips on disk: the first run that is judged on them decodes them, all others read them."""
    seen: set[tuple[int, int]] = set()
    for entry in entries:
        if not entry.phase.tested:
            yield entry
            continue
        of = Setting.of(entry.job.run, videos.classes)
        clips = of.frames, entry.phase.clips // entry.runs
        anew = 0.0 if clips in seen else 1 / entry.runs
        seen.add(clips)
        there = Clips(cache.rate, of.clip(of.test) * FRAMES / of.frames)  # of 8 frames, as all rates are
        later = Entry.of(
            entry.job, entry.phase, entry.runs, replace(machine, decoding=replace(machine.decoding, test=there))
        )
        pairs = zip(astuple(entry.time), astuple(later.time), strict=True)
        time = Time(*(anew * first + (1 - anew) * other for first, other in pairs))
        read = anew * (entry.read or 0) + (1 - anew) * (later.read or 0)
        yield replace(entry, time=time, read=read)


def cells(row: Mapping[str, Any], cores: int) -> dict[str, str]:
    """A row as it is printed; `cores` are those of the machine."""
    return {
        "videos from": row["videos from"],
        "core h": f"{row['core_hours']:,.1f}",
        f"h, {cores} cores": f"{row['hours']:,.1f}",
        "read, TB": f"{row['read'] / 1e12:,.2f}",
        "MB/s": f"{row['mb_per_second']:,.0f}",
        "cores needed": f"{row['cores_needed']:,}",
        "h then": f"{row['hours_then']:,.1f}",
        "MB/s then": f"{row['mb_per_second_then']:,.0f}",
    }
