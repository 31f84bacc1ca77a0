"""Which videos a folder of one's own holds, and of which classes: by folders, or by lists where there are some."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ada3d_gym.errors import InputError
from ada3d_gym.video.indexing.list_text import EXTENSIONS, has_extension, to_split
from ada3d_gym.video.indexing.listing import Listing
from ada3d_gym.video.indexing.locating import Problem, locate
from ada3d_gym.video.readers import plain

Split = Literal["train", "val", "test"]
Places = dict[tuple[str, Split | None], list[Path]]  # by class and split
SPLITS: tuple[Split, ...] = ("train", "val", "test")
LAYOUT = "one folder a class with its videos below, as FOLDER/walk/a.mp4 and FOLDER/run/b.mov"


@dataclass(frozen=True)
class Found:
    """A video file.

    Attributes:
        path: absolute.
        label: its class, an index into `Collection.class_names`.
        split: that the folder or list it is in says; None where the split is still to be made.
    """

    path: Path
    label: int
    split: Split | None = None


@dataclass(frozen=True)
class Collection:
    """What a folder holds.

    Attributes:
        folder: absolute.
        class_names: C names.
        videos: by class, then path.
        by: "folders" of classes, folders of "splits" with such below, or the "lists" at the folder's top.
        ignored: how many files were passed over, by extension.
        stray: videos that lie in no class's folder.
        empty: folders without a video.
        problems: rows of lists that mean no file.
    """

    folder: Path
    class_names: tuple[str, ...]
    videos: tuple[Found, ...]
    by: Literal["folders", "splits", "lists"]
    ignored: Counter[str] = field(default_factory=Counter)
    stray: tuple[Path, ...] = ()
    empty: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def collect(folder: Path) -> Collection:
    """The videos of a folder and their classes; no file is opened.

    Where `train.csv` lies at its top, the lists say (docs/videos.md). Otherwise the folders below it are the classes,
    whatever lies further below; or they are splits (train, val, test) that hold such folders of classes. Hidden files
    and folders do not count.

    Raises:
        InputError: where there is no such folder, no video, or only one class; and for splits, by folders or lists,
            without one to train on, and folders of them beside others.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: expected {LAYOUT}")
    folder = folder.absolute()
    lists = [f"{split}.csv" for split in SPLITS if (folder / f"{split}.csv").exists()]
    if lists and lists[0] != "train.csv":
        raise InputError(f"{folder} holds {lists[0]} and no train.csv: add it, or take {', '.join(lists)} away")
    found = _from_lists(folder) if lists else _from_folders(folder)
    if not found.videos:
        kinds = ", ".join(f"{count} {kind}" for kind, count in found.ignored.most_common(3))
        held = f"; it holds {len(found.stray)} videos in no class's folder" if found.stray else ""
        held = held or (f"; it holds other files ({kinds})" if kinds else "")
        raise InputError(f"no video below {folder}{held}: expected {LAYOUT}; videos end in {', '.join(EXTENSIONS)}")
    labels = {video.label for video in found.videos}
    if len(labels) < 2:
        raise InputError(_one_class(found, next(iter(labels))))
    return found


def _one_class(found: Collection, label: int) -> str:
    name = found.class_names[label]
    message = f"{found.folder} has one class, {name!r}: a classifier needs at least two; expected {LAYOUT}"
    below = {video.path.relative_to(found.folder / name).parts[0] for video in found.videos if found.by == "folders"}
    folders = sorted(each for each in below if (found.folder / name / each).is_dir())
    return f"{message}; did you mean {found.folder / name}?" if len(folders) > 1 else message


def _from_folders(folder: Path) -> Collection:
    ignored: Counter[str] = Counter()
    stray = list(_files(folder, ignored, deep=False))
    below = {each.name: each for each in _folders(folder)}
    held = {name: list(_files(each, ignored)) for name, each in below.items()}
    named = {name: to_split(name) for name, files in held.items() if files}
    splits, others = ([name for name, split in named.items() if bool(split) is of] for of in (True, False))
    if len(splits) > 1 and (others or "train" not in named.values()):  # else they would become classes
        wrong = f"beside {others[0]!r}: take that away" if others else "and none to train on: add train"
        raise InputError(f"{folder} holds folders of splits ({', '.join(splits)}) {wrong}, or expected {LAYOUT}")
    if "train" not in named.values() or others:
        empty = tuple(name for name, files in held.items() if not files)
        placed: Places = {(name, None): files for name, files in held.items() if files}
        return _collection(folder, placed, "folders", ignored, stray, empty)
    classes: Places = {}
    for name, split in named.items():
        for path in held[name]:
            parts = path.relative_to(below[name]).parts
            if len(parts) == 1:
                stray.append(path)
            else:
                classes.setdefault((parts[0], split), []).append(path)
    return _collection(folder, classes, "splits", ignored, stray, ())


def _collection(
    folder: Path,
    placed: Places,
    by: Literal["folders", "splits"],
    ignored: Counter[str],
    stray: Sequence[Path],
    empty: tuple[str, ...],
) -> Collection:
    named = {name: unicodedata.normalize("NFC", name) for name, _ in placed}  # as lists have them
    names = sorted(set(named.values()))
    videos = [
        Found(path, names.index(named[name]), split)
        for (name, split), paths in sorted(placed.items(), key=lambda item: (item[0][0], str(item[0][1])))
        for path in paths
    ]
    return Collection(folder, tuple(names), tuple(videos), by, ignored, tuple(stray), empty)


def _folders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and not _hidden(each.name))


def _files(folder: Path, ignored: Counter[str], deep: bool = True) -> Iterator[Path]:
    """Videos in or below a folder, sorted; links to folders are followed, but not in circles."""
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        known = real in seen
        seen.add(real)
        folders[:] = [] if known or not deep else sorted(each for each in folders if not _hidden(each))
        for name in [] if known else sorted(files):
            if has_extension(name) and not _hidden(name):
                yield Path(place) / name
            else:
                ignored["hidden" if _hidden(name) else Path(name).suffix.lower() or "without extension"] += 1


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _from_lists(folder: Path) -> Collection:
    listings: dict[str, Listing] = {
        split: plain.read(folder, split) for split in SPLITS if (folder / f"{split}.csv").exists()
    }
    names = max((listing.class_names for listing in listings.values()), key=len)
    places = locate(folder, listings)
    videos, problems = [], []
    for split in listings:
        for entry, place in zip(listings[split].entries, places[split], strict=True):
            if isinstance(place, Path):
                videos.append(Found(place.absolute(), entry.labels[0], split))  # type: ignore[arg-type]
            else:
                problems.append(place)
    videos.sort(key=lambda video: (video.label, str(video.path)))
    return Collection(folder, tuple(names), tuple(videos), "lists", problems=tuple(problems))
