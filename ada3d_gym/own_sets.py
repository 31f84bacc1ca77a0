"""Data sets of one's own: what reads their lists, and the ids that built-in sets have."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import index
from pathlib import Path
from typing import Any, TypeAlias, get_args

from ada3d_gym.errors import InputError, check_sizes, did_you_mean
from ada3d_gym.named import own_code
from ada3d_gym.registration import SETS, add, looks_of, masks_of
from ada3d_gym.video.indexing.listing import Entry, Listing, Problem
from ada3d_gym.video_sets import VIDEO_SETS, Metric, VideoSet

Label: TypeAlias = str | int
Row: TypeAlias = tuple[str | Path, Label | Iterable[Label]]
RowReader: TypeAlias = Callable[[Path, str], Iterable[Row]]


def register_dataset(
    name: str,
    read: RowReader | str,
    *,
    classes: Sequence[str] = (),
    metric: Metric = "top-1",
    version: int = 0,
    module: str | None = None,
) -> str:
    """Registers the ids `Ada3D-NAME-v0`, `Ada3D-NAME-SlowOnly-16-v0` and so on for a data set of one's own.

    Networks and lengths of clips are those of the built-in sets. Call it at the top of a module of yours: then
    `gym.make("module:Ada3D-NAME-v0")` and `ada3d train module:Ada3D-NAME-v0` import the module and find the id.

    Args:
        name: in ids, as "Gestures".
        read: a function `(root, split)` that gives rows `(path, labels)` of a split, "train", "val" or "test". A path
            counts from `root`, the data set's folder. Labels are one or several of `classes`, by name or number. For a
            split without a list the function gives no rows or raises `FileNotFoundError`: the validation videos then
            stand for "test". Or the name of a built-in set, as "videos", whose lists yours look like.
        classes: the names of the classes, in the order of their numbers; those that the lists name, for a built-in
            set's lists.
        metric: that is usual for the set, "top-1" or "mAP"; tables of results have both, whatever it is.
        version: of the ids. Raise it when the videos change, so that results under one id can be compared.
        module: that registers the set, for processes that have not imported it; the caller's by default.

    Returns:
        The data set's name on command lines, as `ada3d index-videos` takes it. The folder of the videos can be given as
        `ADA3D_GESTURES`.

    Raises:
        InputError: for a name that is taken, and for what is no reader, class or metric.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name):
        raise InputError(f"data set {name!r}: expected letters and digits, as Gestures")
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise InputError(f"data set {name}: classes={classes!r}: expected a list of their names")
    if metric not in get_args(Metric):
        raise InputError(f"metric={metric!r}: expected one of {', '.join(get_args(Metric))}")
    check_sizes(version=version)
    if module is None:
        module = sys._getframe(1).f_globals.get("__name__", "__main__")
    short = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
    if short in (*SETS.values(), *(each.lower() for each in SETS)):
        raise InputError(f"data set {name!r}: a built-in set has this name: give another")
    own = short if module in ("__main__", "__mp_main__") else f"{module}:{short}"  # a script's processes run it again
    reader, lists = _reader(name, read, tuple(classes))
    add(masks_of(name, own, version), looks_of(name, own, version))
    VIDEO_SETS[own] = VideoSet(own, name, reader, lists, "your own files", metric)
    return own


def _reader(name: str, read: Any, classes: tuple[str, ...]) -> tuple[Callable[[Path, str], Listing], str]:
    """What reads the lists, and what these are called."""
    if isinstance(read, str):
        if read not in VIDEO_SETS:
            expected = f"a function, or one of {', '.join(SETS.values())}{did_you_mean([read], VIDEO_SETS)}"
            raise InputError(f"data set {name}: read={read!r}: expected {expected}")
        if classes:
            raise InputError(f"data set {name}: classes would be ignored beside lists of {read}, which name their own")
        return VIDEO_SETS[read].read, VIDEO_SETS[read].lists
    if not callable(read):
        raise InputError(f"data set {name}: read is {type(read).__name__}: expected a function of root and split")
    if not classes or not all(isinstance(each, str) for each in classes) or len(set(classes)) < len(classes):
        raise InputError(f"data set {name}: classes={list(classes)}: expected their names, each once")
    called = getattr(read, "__qualname__", type(read).__name__)
    return partial(_read_rows, name, read, classes), f"the lists that {called} reads"


def _read_rows(name: str, read: RowReader, classes: tuple[str, ...], root: Path, split: str) -> Listing:
    """A reader's rows as a listing.

    Raises:
        InputError: for a reader that raises anything but FileNotFoundError, for rows that are none, by their number,
            and where training or test videos are missing.
    """
    problem = ""
    for each in (split, "val") if split == "test" else (split,):
        try:
            with own_code(f"data set {name}: its reader failed for {each!r}", FileNotFoundError):
                rows = list(read(root, each))
            listing = _listing(name, rows, classes, each)
        except FileNotFoundError as error:
            listing, problem = Listing(classes, ()), f": {error}"
        if listing.entries:
            return listing
    if split != "val":
        raise InputError(f"data set {name}: expected labelled videos of the {split} split, got none{problem}")
    return listing


def _listing(name: str, rows: Iterable[Row], classes: tuple[str, ...], split: str) -> Listing:
    entries, problems = [], []
    for number, row in enumerate(rows, start=1):
        try:
            path, labels = row
            given = [labels] if isinstance(labels, str) or not isinstance(labels, Iterable) else list(labels)
            found = tuple(dict.fromkeys(_number(label, classes) for label in given))
            path = str(Path(path))
        except (TypeError, ValueError) as error:
            expected = f"(path, labels), with labels among {', '.join(classes[:10])}{', …' * (len(classes) > 10)}"
            where = f"data set {name}, row {number} of {split}"
            raise InputError(f"{where}: expected {expected}, got {row!r} ({error})") from error
        if found:
            entries.append(Entry(path, found))
        else:
            problems.append(Problem(path, "unlabelled", "its row gives it no label"))
    return Listing(classes, tuple(entries), tuple(problems))


def _number(label: Label, classes: tuple[str, ...]) -> int:
    """Of a class; a ValueError or TypeError for what is none."""
    if isinstance(label, str):
        if label not in classes:
            raise ValueError(f"no class {label!r}{did_you_mean([label], classes)}")
        return classes.index(label)
    if not 0 <= (number := index(label)) < len(classes):
        raise ValueError(f"label {number}: expected 0 to {len(classes) - 1}")
    return number
