"""What a data set's own lists say: which video files there are, with which labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ada3d_gym.video.indexing.list_text import ListError as ListError
from ada3d_gym.video.indexing.list_text import read_lines as read_lines
from ada3d_gym.video.indexing.list_text import to_label as to_label
from ada3d_gym.video.indexing.locating import Problem as Problem
from ada3d_gym.video.indexing.locating import find_files as find_files


@dataclass(frozen=True)
class Entry:
    """One video of a list.

    Attributes:
        path: of its file, with or without folders and extension; see `locating`.
        labels: class indices, in `[0, C)`, the first being the main one.
        anywhere: the file's name tells it from all others, and its folders may be others than `path` has: people keep
            the public sets flat, by split, by class, or all of it.
    """

    path: str
    labels: tuple[int, ...]
    anywhere: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Listing:
    """One split of a data set.

    Attributes:
        class_names: C names; labels index into them.
        entries: the videos, in the list's order.
        problems: videos that the list names but says too little of to be used.
    """

    class_names: tuple[str, ...]
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...] = ()


Reader = Callable[[Path, str], Listing]
"""(root of the data set, split: "train", "val" or "test") to its listing."""


def named(count: int, names: Iterable[str] = ()) -> tuple[str, ...]:
    """Class names, numbered where there are none."""
    return tuple(names) or tuple(f"class {label}" for label in range(count))


def numbered(entries: Iterable[Entry], names: Iterable[str] = ()) -> tuple[str, ...]:
    """Class names, or numbers up to the highest label where there are none."""
    return named(1 + max((label for entry in entries for label in entry.labels), default=-1), names)


def filled(listing: Listing, path: Path, split: str) -> Listing:
    """The listing, or a ListError where the list at `path` has no video of the split."""
    if not listing.entries:
        raise ListError(path, f"labelled videos of the {split} split, got none")
    return listing


def list_files(root: Path) -> list[Path]:
    """The files below a root that may be lists, at the places where the readers look for them."""
    folders = [root, root / "materials"]
    return sorted(file for folder in folders for kind in ("csv", "txt", "json") for file in folder.glob(f"*.{kind}"))


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
