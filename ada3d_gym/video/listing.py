"""What a data set's own lists say: which video files there are, with which labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ada3d_gym.errors import InputError


class ListError(InputError):
    """A list that is missing or not in its format; the message names the file, the line and what was expected."""

    def __init__(self, path: Path, expected: str, line: int | None = None, got: str = ""):
        where = f"{path}, line {line}" if line is not None else f"{path}"
        super().__init__(f"{where}: expected {expected}" + (f", got {got[:120]!r}" if got or line is not None else ""))
        self.path, self.line = path, line


@dataclass(frozen=True)
class Entry:
    """One video of a list.

    Attributes:
        path: of its file, with or without folders and extension; see `find_files`.
        labels: class indices, in `[0, C)`, the first being the main one.
    """

    path: str
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Listing:
    """One split of a data set.

    Attributes:
        class_names: C names; labels index into them.
        entries: the videos, in the list's order.
    """

    class_names: tuple[str, ...]
    entries: tuple[Entry, ...]


Reader = Callable[[Path, str], Listing]
"""(root of the data set, split: "train", "val" or "test") to its listing."""


def read_lines(path: Path, expected: str) -> Iterator[tuple[int, str]]:
    """Numbered lines of a text file that hold anything, without line ends, a byte-order mark or outer spaces.

    Args:
        path: of the file, UTF-8.
        expected: what the file should be, for the error if it is missing or is no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ListError(path, f"{expected} ({getattr(error, 'strerror', None) or 'not UTF-8 text'})") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.strip()


def to_label(text: str, path: Path, line: int, expected: str, classes: int | None = None) -> int:
    """A class index, or a ListError."""
    try:
        label = int(text)
    except ValueError:
        raise ListError(path, expected, line, text) from None
    if label < 0 or (classes is not None and label >= classes):
        limit = "0 or more" if classes is None else f"0 to {classes - 1}"
        raise ListError(path, f"a label of {limit}", line, text)
    return label


def named(count: int, names: Iterable[str] = ()) -> tuple[str, ...]:
    """Class names, numbered where there are none."""
    return tuple(names) or tuple(f"class {label}" for label in range(count))


def read_splits(read: Reader, root: Path) -> dict[str, Listing]:
    """The train, val and test listings, with the same class names, though a list may lack videos of some class.

    Raises:
        ListError: also where a class has two names.
    """
    listings = {split: read(root, split) for split in ("train", "val", "test")}
    names = list(named(max(len(listing.class_names) for listing in listings.values())))
    for listing in listings.values():
        for label, name in enumerate(listing.class_names):
            if name != names[label] and name != f"class {label}":
                if names[label] != f"class {label}":
                    raise ListError(
                        root, f"class {label} to have one name in all splits", got=f"{names[label]}, {name}"
                    )
                names[label] = name
    return {split: replace(listing, class_names=tuple(names)) for split, listing in listings.items()}


def find_files(root: Path, entries: Sequence[Entry]) -> list[Path | None]:
    """The file of each entry, or None where there is none.

    An absolute path is taken as it is. Any other is found wherever below the root a file of that name lies, since
    people keep these sets flat, by split, by class, or all of it: of several files with the name (and the extension,
    where the entry has one) the one that shares most folders with the entry's path.
    """
    by_name: dict[str, list[str]] = {}
    for folder, _, files in os.walk(root, followlinks=True):
        for file in files:
            relative = os.path.relpath(os.path.join(folder, file), root) if folder != str(root) else file
            for name in {file, _stem(file)}:
                by_name.setdefault(name, []).append(relative)
    return [_find(root, entry.path, by_name) for entry in entries]


def _find(root: Path, wanted: str, by_name: dict[str, list[str]]) -> Path | None:
    if os.path.isabs(wanted):
        return Path(wanted) if os.path.exists(wanted) else None
    parts = wanted.split("/")
    found = by_name.get(parts[-1]) or by_name.get(_stem(parts[-1])) if _is_video(parts[-1]) else by_name.get(parts[-1])
    videos = [path for path in found or () if _is_video(path)] or found
    if not videos:
        return None
    return root / max(sorted(videos, key=len), key=lambda path: _shared(path.split(os.sep), parts))


def _shared(path: list[str], wanted: list[str]) -> int:
    """Folders that two paths have in common, counted from the file up."""
    pairs = zip(reversed(path[:-1]), reversed(wanted[:-1]), strict=False)
    return next((count for count, (one, other) in enumerate(pairs) if one != other), min(len(path), len(wanted)) - 1)


def _stem(file: str) -> str:
    return file.rpartition(".")[0] or file


def _is_video(file: str) -> bool:
    return file.rpartition(".")[2].lower() in EXTENSIONS


EXTENSIONS = ("mp4", "mkv", "webm", "avi", "mov", "flv", "wmv", "mpg", "mpeg", "3gp", "m4v", "ts")
