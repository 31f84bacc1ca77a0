"""Probes every video of a data set once and writes the index that the environments read:

    ada3d index-videos fcvid --root /data/fcvid

Each file is opened and decoded in a process of its own, so that one that crashes the decoder or hangs it is named and
the rest go on; a long one may take as long as it needs. Interrupted and started again, the command goes on where it
was; files that have changed are probed again.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from ada3d_gym.datasets import find_root, index_path
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.cli import run
from ada3d_gym.files import writing
from ada3d_gym.progress import counted
from ada3d_gym.video.indexing.index import VideoIndex, make_index, states
from ada3d_gym.video.indexing.list_checks import suspicions
from ada3d_gym.video.indexing.listing import ListError, list_files, read_splits
from ada3d_gym.video.indexing.locating import Problem, locate
from ada3d_gym.video.indexing.probe import Probe, probe_all
from ada3d_gym.video.records import shown
from ada3d_gym.video_sets import video_set

State = list[int] | None
CACHE = "ADA3D_CACHE names another folder for indexes"
RULES = 4  # of what passes `probe`: files that passed by others are probed again


def index_videos(
    name: str,
    /,
    root: Path | None = None,
    annotations: Path | None = None,
    workers: int = 2,
    timeout: float = 30.0,
    thorough: bool = False,
    min_frames: int = 1,
    show: int = 10,
) -> None:
    """Indexes the train, val and test splits of a data set.

    Args:
        name: of the data set: fcvid, activitynet, mini-kinetics, mini-kinetics-adafocus, kinetics, videos, or
            module:name of one that a module of your own registers.
        root: its folder; what its environment variable names by default.
        annotations: folder of its lists, where they are not at the top of `root`.
        workers: processes that probe.
        timeout: seconds without any progress after which a file counts as hung; slow disks may need more.
        thorough: decode every frame with FFmpeg's error detection, to find damage inside files.
        min_frames: videos of fewer frames are left out.
        show: how many of the videos left out are named for each split; the index names all of them.
    """
    for option, value, least in (("workers", workers, 1), ("min_frames", min_frames, 0), ("show", show, 0)):
        if value < least:
            raise InputError(f"{option}={value}: expected at least {least}")
    if timeout <= 0:
        raise InputError(f"timeout={timeout:g}: expected seconds above 0")
    if annotations is not None and not annotations.is_dir():
        raise InputError(f"annotations: {annotations} is no folder; expected the one that holds the set's lists")
    videos = video_set(name)
    folder = find_root(name, root)
    lists = states(list_files(annotations or folder))
    listings = read_splits(videos.read, annotations or folder)
    files = locate(folder, listings)
    wanted = list(dict.fromkeys(file for found in files.values() for file in found if isinstance(file, Path)))
    if not wanted:
        problem = next(each for found in files.values() for each in found if isinstance(each, Problem))
        raise ListError(folder, f"the videos of the lists, but none can be told: {problem.path}", hint=problem.detail)
    journal = index_path(name, folder, "probes").with_suffix(".thorough.jsonl" if thorough else ".jsonl")
    probes = probe_files(wanted, journal, workers=workers, timeout=timeout, thorough=thorough)
    indexes = {split: make_index(listing, files[split], probes, min_frames) for split, listing in listings.items()}
    for split, index in indexes.items():
        index.lists = lists
        index.save(index_path(name, folder, split))
    for split, index in indexes.items():  # once all are written: whoever reads this may stop, as "head" does
        _say(f"{split}: {index.report}; {len(index.class_names)} classes; {index_path(name, folder, split)}")
        _print_problems(index, show)
    slow = [file for file in wanted if not probes[file].cause and probes[file].seconds > timeout]
    for file in slow[:show]:
        hint = (
            ""
            if probes[file].seekable
            else "; so will its clips, since frames are counted from its start: encode it anew"
        )
        _say(f"  slow: {file} (took {probes[file].seconds:.0f} s{hint})")
    _print_rest(len(slow) - show)
    for suspicion in suspicions(listings, files):
        _say(f"warning: {suspicion}")


def probe_files(files: list[Path], journal: Path, *, workers: int, timeout: float, thorough: bool) -> dict[Path, Probe]:
    """Probes of files, each written to the journal as it comes; those of good files that it holds already are not made
    again, unless the file has changed."""
    known = _read_journal(journal)
    probes = {}
    for file in files:
        state, probe = known.get(file, (None, None))
        if probe and not probe.cause and state == _state(file):
            probes[file] = probe
    missing = [file for file in files if file not in probes]
    with writing(journal, CACHE):
        journal.parent.mkdir(parents=True, exist_ok=True)
        lines = journal.open("a")  # used outside: what else goes wrong is not the journal's fault
    with lines:
        _append(lines, journal, "")  # ends a line that an interruption cut short
        found = probe_all(missing, workers=workers, timeout=timeout, thorough=thorough)
        for file, probe in counted(found, len(missing), "probing files", "video"):
            found_out = asdict(probe) | {"packets": probe.packets.hex()}
            _append(lines, journal, json.dumps([str(file), _state(file), found_out, RULES]))
            probes[file] = probe
    return probes


def _append(lines: TextIO, journal: Path, line: str) -> None:
    with writing(journal, CACHE):
        lines.write(line + "\n")
        lines.flush()


def _read_journal(path: Path) -> dict[Path, tuple[State, Probe]]:
    journal = {}
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        try:
            file, state, probe, rules = json.loads(line)
            if rules == RULES:
                journal[Path(file)] = state, Probe(**{**probe, "packets": bytes.fromhex(probe["packets"])})
        except (ValueError, TypeError, KeyError):
            continue
    return journal


def _state(file: Path) -> State:
    """What tells a file from another that was put in its place."""
    try:
        status = file.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _print_problems(index: VideoIndex, show: int) -> None:
    for problem in index.problems[:show]:
        _say(f"  {problem.cause}: {problem.path} ({problem.detail})")
    _print_rest(len(index.problems) - show)


def _print_rest(count: int) -> None:
    if count > 0:
        _say(f"  and {count} more")


def _say(line: str) -> None:
    """Prints a line with names of files in it."""
    print(shown(line))


if __name__ == "__main__":
    run(index_videos)
