"""A compact index of a data set's split: the good files with what is known of them, and why others are left out."""

from __future__ import annotations

import json
import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.files import replacing
from ada3d_gym.video.indexing.archives import Archives
from ada3d_gym.video.indexing.listing import Listing
from ada3d_gym.video.indexing.locating import Problem as Problem
from ada3d_gym.video.indexing.probe import Probe
from ada3d_gym.video.records import VideoRecord

FORMAT = 4
WITHOUT_PACKETS = 3  # the format before: read as it is


class IndexFileError(InputError):
    """An index that is missing, damaged or of another kind; the message says what to do."""


def states(files: Iterable[Path]) -> dict[str, list[int]]:
    """Size and time of change (nanoseconds) of those files that are there, by path."""
    found = {}
    for file in files:
        with suppress(OSError):
            about = file.stat()
            found[str(file)] = [about.st_size, about.st_mtime_ns]
    return found


class VideoIndex(Sequence[VideoRecord]):
    """The videos of a split; records are made when asked for, so that 100,000 of them load at once.

    Attributes:
        class_names: C names.
        problems: the videos left out.
        old: it is of an earlier version and lacks the videos' packets, so that each clip reads all of its file.
        lists: the files of lists as they were when they were read, see `states`.
    """

    lists: dict[str, list[int]]

    def __init__(
        self,
        class_names: Sequence[str],
        paths: Sequence[str],
        labels: Sequence[NDArray[np.int64]] | NDArray[np.int64],
        figures: NDArray[np.float64],
        problems: Sequence[Problem] = (),
        packets: Sequence[bytes] = (),
        changed: NDArray[np.int64] | None = None,
        archives: Archives | None = None,
    ):
        self.class_names, self.problems = tuple(class_names), tuple(problems)
        self._paths = paths
        counts = np.array([len(each) for each in labels], np.int64)
        self._flat = np.concatenate([np.asarray(each, np.int64) for each in labels] or [np.empty(0, np.int64)])
        self._ends = counts.cumsum()
        self._figures = figures
        self._packets = np.frombuffer(b"".join(packets), np.uint8)
        self._packet_ends = np.array([len(each) for each in packets] or [0] * len(paths), np.int64).cumsum()
        self._changed = np.zeros(len(paths), np.int64) if changed is None else changed
        self._archives = archives
        self.lists = {}
        self.old = False

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, index: int) -> VideoRecord: ...
    @overload
    def __getitem__(self, index: slice) -> list[VideoRecord]: ...
    def __getitem__(self, index: int | slice) -> VideoRecord | list[VideoRecord]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"video {index} of {len(self)}")
        index %= len(self)
        frames, width, height, rate, size, seekable = self._figures[index].tolist()
        path = Path(self._paths[index])
        part = self._archives.part(index, path, int(size)) if self._archives else None
        return VideoRecord(
            part.path if part else path,
            self.labels(index),
            frames=int(frames),
            size=int(size),
            width=int(width),
            height=int(height),
            rate=rate,
            seekable=bool(seekable),
            packets=self._packets[slice(*_bounds(self._packet_ends, index))].tobytes(),
            changed=int(self._changed[index]),
            part=part,
        )

    @property
    def changed_lists(self) -> list[str]:
        """The lists that are others by now; those that are gone are nobody's concern."""
        return [path for path, state in states(map(Path, self.lists)).items() if state != self.lists[path]]

    def labels(self, index: int) -> tuple[int, ...]:
        """Class indices of a video."""
        return tuple(self._flat[slice(*_bounds(self._ends, index))].tolist())

    @property
    def report(self) -> str:
        """How many videos there are, and how many were left out for which cause."""
        causes = Counter(problem.cause for problem in self.problems)
        left = ", ".join(f"{count} {cause}" for cause, count in causes.most_common())
        return f"{len(self)} videos of {len(self) + len(self.problems)}" + (f"; left out: {left}" if left else "")

    def save(self, path: Path) -> None:
        """Writes the index, whole or not at all.

        Raises:
            OutputError: where it cannot be written.
        """
        problems = json.dumps([[p.path, p.cause, p.detail] for p in self.problems])
        with replacing(path, "ADA3D_CACHE names another folder for indexes") as part, part.open("wb") as file:
            np.savez_compressed(
                file,
                format=np.array(FORMAT),
                class_names=_pack([name.encode("utf-8", "surrogateescape") for name in self.class_names]),
                paths=_pack([os.fsencode(path) for path in self._paths]),
                labels=self._flat.astype(np.int32),
                ends=self._ends,
                figures=self._figures,
                packets=self._packets,
                packet_ends=self._packet_ends,
                changed=self._changed,
                problems=np.frombuffer(problems.encode(), np.uint8),
                lists=np.frombuffer(json.dumps(self.lists).encode(), np.uint8),
                **(self._archives.columns() if self._archives else {}),
            )

    @classmethod
    def load(cls, path: Path) -> VideoIndex:
        """Reads what `save` wrote; nothing in the file is run.

        Raises:
            IndexFileError: for a file that is missing or no such index.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                if int(file["format"]) not in (FORMAT, WITHOUT_PACKETS):
                    raise IndexFileError(f"{path}: an index of format {int(file['format'])}; make it anew")
                index = cls.__new__(cls)
                index.class_names = _unpack(file["class_names"].tobytes().decode("utf-8", "surrogateescape"))
                index._paths = _unpack(os.fsdecode(file["paths"].tobytes()))  # as it is on disk, in any encoding
                index._flat, index._ends, index._figures = file["labels"], file["ends"], file["figures"]
                index.old = int(file["format"]) == WITHOUT_PACKETS
                index._packets = np.empty(0, np.uint8) if index.old else file["packets"]
                none = np.zeros(len(index._paths), np.int64)
                index._packet_ends, index._changed = (
                    none if index.old else file[name] for name in ("packet_ends", "changed")
                )
                index._archives = Archives.of(file, path.absolute().parent)
                found = json.loads(file["problems"].tobytes())
                index.problems = tuple(Problem(*problem) for problem in found)
                index.lists = json.loads(file["lists"].tobytes())
        except FileNotFoundError as error:
            raise IndexFileError(f"{path}: no such index") from error
        except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
            if isinstance(error, IndexFileError):
                raise
            # NumPy takes what it does not know for pickled objects, and would advise to load them
            why = "it is no .npz file" if "pickle" in str(error) else error
            raise IndexFileError(f"{path}: not a video index ({why}); make it anew") from error
        if len({len(part) for part in (index._paths, index._ends, index._figures, index._packet_ends)}) > 1:
            raise IndexFileError(f"{path}: its parts do not fit together; make it anew")
        return index


def make_index(
    listing: Listing, files: Sequence[Path | Problem | None], probes: dict[Path, Probe], min_frames: int
) -> VideoIndex:
    """The index of a listing whose files have been probed.

    Args:
        listing: of the split.
        files: of each entry, or why it has none; None is a missing one.
        probes: of those files.
        min_frames: videos of fewer are left out as "too short".
    """
    paths, labels, good, problems = [], [], [], list(listing.problems)
    for entry, file in zip(listing.entries, files, strict=True):
        if not isinstance(file, Path):
            problems.append(file or Problem(entry.path, "missing", "no such file below the root"))
            continue
        found = probes[file]
        cause: str = found.cause
        detail = found.detail
        if not cause and found.frames < min_frames:
            cause, detail = "too short", f"{found.frames} frames, fewer than {min_frames}"
        if cause:
            problems.append(Problem(str(file), cause, detail))
            continue
        paths.append(str(file))
        labels.append(np.array(entry.labels, np.int64))
        good.append(found)
    changed = np.array([each.changed for each in good], np.int64)
    packets = [each.packets for each in good]
    return VideoIndex(listing.class_names, paths, labels, figures(good), problems, packets, changed)


def figures(found: Iterable[Probe | VideoRecord]) -> NDArray[np.float64]:
    """(N, 6) what `VideoIndex` keeps of so many videos in numbers."""
    rows = [(each.frames, each.width, each.height, each.rate, each.size, bool(each.seekable)) for each in found]
    return np.array(rows, np.float64).reshape(-1, 6)


def _bounds(ends: NDArray[np.int64], index: int) -> tuple[int, int]:
    """Of part `index` in a flat array whose parts end there."""
    return int(ends[index - 1]) if index else 0, int(ends[index])


def _pack(texts: Sequence[bytes]) -> NDArray[np.uint8]:
    return np.frombuffer(b"\0".join(texts), np.uint8)


def _unpack(packed: str) -> tuple[str, ...]:
    return tuple(packed.split("\0")) if packed else ()
