"""The lists of train, val and test videos that a start writes, as docs/videos.md describes a list of one's own."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.own.collecting import SPLITS, Found, Split
from ada3d_gym.files import OutputError, replacing
from ada3d_gym.video.indexing.list_text import read_names
from ada3d_gym.video.readers import plain

HEAD = "# written by ada3d start"


@dataclass(frozen=True)
class Shares:
    """How videos are shared out, each above 0; what counts is their ratio."""

    train: float = 70.0
    val: float = 15.0
    test: float = 15.0

    def __post_init__(self) -> None:
        for split in SPLITS:
            if not 0 < getattr(self, split) < float("inf"):
                raise InputError(f"share of {split}: {getattr(self, split):g}, expected a number above 0")

    def of(self, splits: Iterable[Split]) -> dict[Split, float]:
        """The shares of some of the splits, which sum to 1."""
        shares = {split: float(getattr(self, split)) for split in splits}
        return {split: share / sum(shares.values()) for split, share in shares.items()}


def share_out(
    videos: Sequence[Found], class_names: Sequence[str], shares: Shares, seed: int, folder: Path
) -> dict[Split, list[Found]]:
    """The videos of each split, every class in each.

    Where folders or lists say the splits, they stay; the validation videos are drawn from the training's if none are
    given, and validation videos without test videos are the test. Drawing is by class, and by a hash of each path below
    `folder`, so that more videos later change as little as can be.

    Args:
        videos: usable ones.
        class_names: C names.
        shares: for what is drawn.
        seed: of the drawing.
        folder: whose place does not matter for the drawing.

    Raises:
        InputError: for classes with too few videos, by name.
    """
    given = {video.split for video in videos} - {None, "train"}
    if given == {"val"}:
        videos = [replace(each, split="test") if each.split == "val" else each for each in videos]
    drawn: list[Split] = [split for split in SPLITS if split == "train" or split not in given]
    if given == {"val"}:
        drawn = ["train", "val"]
    pool = [each for each in videos if each.split in (None, "train")]
    counts = Counter(each.label for each in pool)
    if few := [label for label in range(len(class_names)) if counts[label] < len(drawn)]:
        told = ", ".join(f"{class_names[label]!r} has {counts[label]}" for label in few[:5])
        wanted = f"at least {len(drawn)} usable videos of each class" + (
            f", one each for {', '.join(drawn)}" if len(drawn) > 1 else " to train on"
        )
        raise InputError(f"{told}: expected {wanted}; add videos, or take the folder away")
    found: dict[Split, list[Found]] = {split: [] for split in SPLITS}
    for video in videos:
        if video.split in ("val", "test"):
            found[video.split].append(video)
    by_class: defaultdict[int, list[Found]] = defaultdict(list)
    for video in pool:
        by_class[video.label].append(video)
    for members in by_class.values():
        members.sort(key=lambda video: _draw(video.path, folder, seed))
        for split, count in _sizes(len(members), shares.of(drawn)).items():
            found[split] += members[:count]
            members = members[count:]
    return {split: sorted(found[split], key=lambda video: (video.label, str(video.path))) for split in SPLITS}


def _draw(path: Path, folder: Path, seed: int) -> bytes:
    return hashlib.sha256(b"%d " % seed + os.fsencode(os.path.relpath(path, folder))).digest()


def _sizes(count: int, shares: dict[Split, float]) -> dict[Split, int]:
    """How many of a class's videos each split gets, at least one; what rounding leaves is trained on."""
    sizes = {split: max(1, round(count * share)) for split, share in shares.items() if split != "train"}
    while sizes and count - sum(sizes.values()) < 1:
        largest = max(sizes, key=lambda split: sizes[split])
        sizes[largest] -= 1
    return sizes | {"train": count - sum(sizes.values())}


def write_lists(folder: Path, splits: dict[Split, list[Found]], class_names: Sequence[str]) -> bool:
    """Writes train.csv, val.csv, test.csv and classes.txt into a folder, where they are not there like that.

    Args:
        folder: is made.
        splits: the videos of each.
        class_names: C names.

    Returns:
        Whether anything was written.

    Raises:
        OutputError: where that cannot be, or such files of somebody else's lie there.
        InputError: for a name that no list can hold.
    """
    _check_names(class_names, "the class")
    _check_names((str(video.path) for videos in splits.values() for video in videos), "the file or its folder")
    texts = {f"{split}.csv": [HEAD, *map(_row, videos)] for split, videos in splits.items()}
    texts["classes.txt"] = [HEAD, *map(_name, class_names)]
    changed = False
    for name, lines in texts.items():
        path, text = folder / name, os.fsencode("\n".join(lines) + "\n")
        there = None
        with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            there = path.read_bytes()
        if there == text:
            continue
        if there is not None and not there.startswith(HEAD.encode()):
            raise OutputError(f"{path} is not one of 'ada3d start': move it, or choose another --output")
        with replacing(path, "choose another --output") as part:
            part.write_bytes(text)
        changed = True
    _check(folder, splits, class_names)
    return changed


def _row(video: Found) -> str:
    return f'"{str(video.path).replace(chr(34), chr(34) * 2)}",{video.label}'


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _check_names(names: Iterable[str], what: str) -> None:
    for name in names:
        if "\n" in name or "\r" in name:
            raise InputError(f"{name!r}: a list cannot hold this name; rename {what}")


def _check(folder: Path, splits: dict[Split, list[Found]], class_names: Sequence[str]) -> None:
    """That the lists say what was meant, however names are written."""
    _check_same(class_names, read_names(folder / "classes.txt"), "the class")
    for split, videos in splits.items():
        read = [entry.path for entry in plain.read(folder, split).entries]
        _check_same([str(video.path) for video in videos], read, "the file or its folder")


def _check_same(meant: Sequence[str], read: Sequence[str], what: str) -> None:
    if list(meant) != list(read):
        differing = next((one for one, other in zip_longest(meant, read) if one != other), None)
        raise InputError(f"{differing!r}: a list cannot hold this name; rename {what}")
