"""What `--profile` writes and prints: where a command's time went, by phase and section."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tabulate import tabulate

from ada3d_gym import __version__, parallel
from ada3d_gym.errors import InputError
from ada3d_gym.files import replacing
from ada3d_gym.profiling import Profile, recorded, recording

PROFILE = "profile.json"  # in a run's folder
EVALUATED = "profile-evaluate.json"  # beside the lines of `ada3d evaluate`, of the last one
LEAST_SECONDS, LEAST_SHARE = 0.05, 0.005  # of a phase, and of a section in it, that the table shows; the file has all
WORK = "decoder"  # what threads that decode do; they wait for nobody

Phases = dict[str, dict[str, Any]]


class ProfileFile:
    """A profile that goes on where an interrupted command left it.

    Args:
        path: of the file, which the first process writes.
        profile: of this process.
        fresh: leave out what an earlier command wrote.
    """

    def __init__(self, path: Path, profile: Profile, fresh: bool = False):
        self._path, self._profile = path, profile
        self._before = {} if fresh or parallel.rank() > 0 else read_profile(path)

    def write(self) -> Phases:
        """Writes the file, and returns its phases; all processes take part, and their times add up."""
        phases = added(*parallel.gather(self._profile.as_dict()))
        if parallel.rank() > 0:
            return phases
        phases = added(self._before.get("phases", {}), phases)
        content = {
            "package": f"ada3d-gym {__version__}",
            "processes": parallel.world(),
            "commands": self._before.get("commands", 0) + 1,
            "phases": phases,
        }
        with replacing(self._path, "choose another --output") as part:
            part.write_text(json.dumps(content, indent=1) + "\n")
        return phases


_kept: ProfileFile | None = None


@contextmanager
def profiled(path: Path, device: str, wanted: bool, *, traced: bool = False, fresh: bool = False) -> Iterator[None]:
    """Records a profile of what is inside, where it is wanted, and writes and prints it at the end.

    Args:
        path: of the file.
        device: where networks run.
        wanted: else nothing is done.
        traced: write traces of a few batches beside it, too, of the first process.
        fresh: leave out what an earlier command wrote there; else its times are added.
    """
    global _kept
    if not (wanted or traced):
        yield
        return
    with recording(device, path.parent if traced and parallel.rank() == 0 else None) as profile:
        _kept = ProfileFile(path, profile, fresh)
        try:
            yield
        except BaseException:
            if parallel.world() == 1:  # others would be waited for that may not come
                _kept.write()
            raise
        else:
            phases = _kept.write()
        finally:
            _kept = None
    if parallel.rank() == 0:
        print(f"\n{profile_table(phases)}\n\nprofile: {path}")


@contextmanager
def measured(device: str, wanted: bool) -> Iterator[Profile | None]:
    """Records a profile where it is wanted, which no file gets."""
    if not wanted:
        yield None
        return
    with recording(device) as profile:
        yield profile


def keep_profile() -> None:
    """Writes what there is so far of a profile that is being recorded for a file; all processes take part."""
    if _kept is not None:
        _kept.write()


def section_seconds() -> dict[str, float]:
    """Seconds of each section since the last call, as figures of an epoch; none where no profile is recorded."""
    profile = recorded()
    news = {} if profile is None else profile.news()
    return {f"profile/{name.replace(' ', '_')}": seconds for name, seconds in news.items()}


def read_profile(path: Path) -> dict[str, Any]:
    """What an earlier command wrote; empty where none did.

    Raises:
        InputError: for a file that is no profile.
    """
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text())
        added(content["phases"])
        content["commands"] = int(content["commands"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is no profile of this program ({error}): remove it") from error
    found: dict[str, Any] = content
    return found


def added(*profiles: Mapping[str, Any]) -> Phases:
    """Phases of several processes, or of one command after another: times add up, and of memory the most counts."""
    total: Phases = {}
    for phases in profiles:
        for name, one in phases.items():
            total[name] = _added(total.get(name, {}), one)
    return total


def _added(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    total = dict(first)
    for key, value in second.items():
        if isinstance(value, Mapping):
            total[key] = _added(total.get(key, {}), value)
        else:
            total[key] = max(total.get(key, 0), value) if key.startswith("peak") else total.get(key, 0) + value
    return total


def profile_table(phases: Phases) -> str:
    """Seconds, share of the phase and clips a second of each section, and below them what threads did meanwhile."""
    rows: list[list[Any]] = []
    for name, one in phases.items():
        if (whole := one["seconds"]) < LEAST_SECONDS:
            continue
        shown = name
        for section, spent in sorted(one["sections"].items(), key=lambda each: -each[1]["seconds"]):
            if (seconds := spent["seconds"]) < LEAST_SHARE * whole:
                continue
            rows.append([shown, section, f"{seconds:.1f}", f"{_share(seconds, whole):.0%}", _rate(spent, "seconds")])
            shown = ""
        if work := one["threads"].get(WORK):
            rows.append(
                ["", "on decoding threads (of CPU)", f"{work['cpu_seconds']:.1f}", "", _rate(work, "cpu_seconds")]
            )
    headers = ["phase", "section", "seconds", "share", "clips/s"]
    align = ("left", "left", "right", "right", "right")
    table = str(tabulate(rows, headers, disable_numparse=True, colalign=align))
    return f"{table}\n\n{_memory(phases)}"


def _memory(phases: Phases) -> str:
    seconds, cpu = (sum(one[key] for one in phases.values()) for key in ("seconds", "cpu_seconds"))
    host, gpu = (max((one[key] for one in phases.values()), default=0) for key in ("peak_memory", "peak_gpu_memory"))
    told = [f"{seconds:.1f} s, {cpu:.1f} s of CPU ({_share(cpu, seconds):.2f} cores busy)"]
    told += [f"peak memory {host / 1e6:,.0f} MB"] if host else []
    told += [f"on the GPU {gpu / 1e6:,.0f} MB"] if gpu else []
    return ", ".join(told)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _rate(spent: Mapping[str, Any], key: str) -> str:
    return f"{spent['clips'] / spent[key]:,.0f}" if spent["clips"] and spent[key] else ""
