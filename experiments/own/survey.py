"""What a folder's videos are: each is opened as the index opens it, and what cannot be used is named with its cause."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from tabulate import tabulate

from ada3d_gym.experiments.index_videos import probe_files
from ada3d_gym.experiments.own.collecting import SPLITS, Collection, Found
from ada3d_gym.fingerprints import of_file
from ada3d_gym.progress import counted
from ada3d_gym.video.decoders.packets import UNREADABLE, opened
from ada3d_gym.video.indexing.locating import Problem
from ada3d_gym.video.indexing.probe import Probe
from ada3d_gym.video.records import VideoError, shown

SHOWN = 10  # problems that are named on the screen; the report's page names all


@dataclass(frozen=True)
class Survey:
    """The usable videos of a collection, and why others are left out.

    Attributes:
        collection: that was surveyed.
        videos: the usable ones, each once.
        probes: of these.
        turns: degrees that each is turned by to be shown, 0 for nearly all but phones' videos.
        problems: the others, each with its cause.
    """

    collection: Collection
    videos: tuple[Found, ...]
    probes: tuple[Probe, ...]
    turns: tuple[int, ...]
    problems: tuple[Problem, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.collection.class_names

    @cached_property
    def counts(self) -> list[int]:
        """Usable videos of each class."""
        found = Counter(each.label for each in self.videos)
        return [found[label] for label in range(len(self.class_names))]

    @cached_property
    def frames(self) -> list[int]:
        """Of each usable video."""
        return [probe.frames for probe in self.probes]

    @cached_property
    def rates(self) -> list[float]:
        """Frames a second of each usable video that says."""
        return [probe.rate for probe in self.probes if probe.rate > 0]

    @cached_property
    def seconds(self) -> list[float]:
        """Length of each usable video whose rate is known."""
        return [probe.frames / probe.rate for probe in self.probes if probe.rate > 0]

    @cached_property
    def short_sides(self) -> list[int]:
        """Of each usable video, in pixels."""
        return [min(probe.width, probe.height) for probe in self.probes]

    def lines(self) -> list[str]:
        """All that is to be said, line by line; the first ones are a table of the classes."""
        return [*self._classes().splitlines(), "", *self._kinds(), *self._left_out()]

    def _classes(self) -> str:
        rows = []
        for label, name in enumerate(self.class_names):
            its = [probe for video, probe in zip(self.videos, self.probes, strict=True) if video.label == label]
            lengths = [probe.frames / probe.rate for probe in its if probe.rate > 0]
            listed = sum(video.label == label for video in self.collection.videos)
            rows.append(
                [shown(name), len(its), listed - len(its), _span(lengths, ".1f"), _span([p.frames for p in its])]
            )
        headers = ["class", "videos", "left out", "seconds", "frames"]
        return str(tabulate(rows, headers, disable_numparse=True, colalign=("left", *["right"] * 4)))

    def _kinds(self) -> list[str]:
        sizes = Counter(f"{probe.width}x{probe.height}" for probe in self.probes)
        rates = Counter(f"{rate:.4g}" for rate in self.rates)
        kinds = Counter(video.path.suffix.lower().removeprefix(".") for video in self.videos)
        told = [
            f"sizes as shown: {_counted(sizes)}",
            f"frames a second: {_counted(rates)}"
            + (f"; {unknown} do not say" if (unknown := len(self.probes) - len(self.rates)) else ""),
            f"containers: {_counted(kinds)}",
        ]
        upright = sum(probe.height > probe.width for probe in self.probes)
        turned = Counter(f"{turn}°" for turn in self.turns if turn)
        told.append(
            f"upright: {upright} of {len(self.probes)}; turned when shown: "
            + (f"{_counted(turned)} (frames are read as they are shown)" if turned else "none")
        )
        return told

    def _left_out(self) -> list[str]:
        found, told = self.collection, []
        if found.ignored:
            told.append(f"files that are no videos, passed over: {_counted(found.ignored)}")
        if found.stray:
            told.append(f"videos in no class's folder, passed over: {len(found.stray)}, as {shown(found.stray[0])}")
        if found.empty:
            told.append(f"folders without a video, passed over: {', '.join(map(shown, found.empty[:5]))}")
        if self.problems:
            causes = Counter(problem.cause for problem in self.problems)
            told.append(f"left out: {_counted(causes)}")
            told += [
                f"  {problem.cause}: {shown(problem.path)} ({problem.detail})" for problem in self.problems[:SHOWN]
            ]
            if (more := len(self.problems) - SHOWN) > 0:
                told.append(f"  and {more} more")
        return told


def survey(collection: Collection, journal: Path, *, workers: int = 2) -> Survey:
    """Opens every video of a collection.

    A file whose bytes another one has is left out as a "duplicate": with both, one may be trained on and the other
    judged. Where folders or lists say the splits, the copy in the test videos stays. Copies in different classes are
    all left out, as a "conflict".

    Args:
        collection: whose files are opened.
        journal: file that probes are kept in, see `experiments.index_videos.probe_files`.
        workers: processes that probe.
    """
    files = list(dict.fromkeys(video.path for video in collection.videos))
    probes = probe_files(files, journal, workers=workers, timeout=30.0, thorough=False)
    problems = list(collection.problems)
    for file in files:
        if probes[file].cause:
            problems.append(Problem(str(file), probes[file].cause, probes[file].detail))
    good = [video for video in collection.videos if not probes[video.path].cause]
    copies = dict(_copies(good, {file: probes[file].size for file in files}))
    problems += copies.values()
    kept = tuple(video for number, video in enumerate(good) if number not in copies)
    found = tuple(probes[video.path] for video in kept)
    turns = [turned_by(video.path) for video in counted(kept, len(kept), "reading how videos are turned", "video")]
    return Survey(collection, kept, found, tuple(turns), tuple(problems))


def turned_by(path: Path) -> int:
    """Degrees clockwise, of 0, 90, 180 and 270, that a video's frames are turned by to be shown."""
    with suppress(VideoError, *UNREADABLE), opened(path) as (container, stream):
        for frame in container.decode(stream):
            return round(-getattr(frame, "rotation", 0) / 90) % 4 * 90
    return 0


def _copies(videos: Sequence[Found], sizes: dict[Path, int]) -> Iterable[tuple[int, Problem]]:
    """The numbers of videos that are to go since others have their bytes, and why."""
    by_size: defaultdict[int, list[int]] = defaultdict(list)
    for number, video in enumerate(videos):
        by_size[sizes[video.path]].append(number)
    for numbers in by_size.values():
        by_content: defaultdict[str, list[int]] = defaultdict(list)
        for number in numbers if len(numbers) > 1 else ():
            by_content[of_file(videos[number].path) or str(number)].append(number)
        for same in by_content.values():
            if len(same) > 1:
                yield from _settled(videos, same)


def _settled(videos: Sequence[Found], same: list[int]) -> Iterable[tuple[int, Problem]]:
    labels = {videos[number].label for number in same}
    first = max(same, key=lambda number: (SPLITS.index(videos[number].split or "train"), -number))
    for number in same:
        other = videos[first if number != first else next(each for each in same if each != first)].path
        if len(labels) > 1:
            yield number, Problem(str(videos[number].path), "conflict", f"in another class {other} has the same bytes")
        elif number != first:
            yield number, Problem(str(videos[number].path), "duplicate", f"{other} has the same bytes")


def _counted(found: Counter[str], most: int = 6) -> str:
    shares = [f"{name} ({count})" for name, count in found.most_common(most)]
    return ", ".join(shares + [f"{len(found) - most} more"] * (len(found) > most))


def _span(values: Sequence[float], digits: str = ".0f") -> str:
    """Median, least and most."""
    if not len(values):
        return ""
    middle, least, most = (format(value, digits) for value in (np.median(values), min(values), max(values)))
    return middle if least == most else f"{middle} ({least} to {most})"
