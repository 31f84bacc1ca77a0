"""FCVID (Jiang et al., 2018): 239 classes, 45,611 training and 45,612 test videos, several labels each.

The official release's `materials/`, or AR-Net's lists where `fcvid_train_split.txt` is found instead.
"""

from __future__ import annotations

import re
from pathlib import Path

from ada3d_gym.video.indexing.list_text import (
    SEPARATOR,
    ListError,
    read_lines,
    read_names,
    split_numbers,
    to_label,
    to_split,
    unquote,
)
from ada3d_gym.video.indexing.listing import Entry, Listing, filled, named, numbered

VIDEOS, LABELS = "materials/FCVID_VideoName_TrainTestSplit.txt", "materials/FCVID_Label.txt"
SPLIT_ROW, LABEL_ROW = "'relative/path.ext train|test'", "one column of 0 or 1 for each class"
ARNET_ROW = "'video,num_frames,label[,label2[,label3]]'"


def read(root: Path, split: str) -> Listing:
    """The official lists' train and test; val is the test split, as there is no other."""
    if not (root / VIDEOS).exists() and (root / "fcvid_train_split.txt").exists():
        return _read_arnet(root, split)
    videos = []
    for number, line in read_lines(root / VIDEOS, f"FCVID's list of rows {SPLIT_ROW}"):
        match = re.fullmatch(rf"(.+?){SEPARATOR}([A-Za-z]+)", line.rstrip(" \t,;"))
        if not match or not to_split(match[2]):
            raise ListError(root / VIDEOS, SPLIT_ROW, number, line)
        videos.append((unquote(match[1]).replace("\\", "/"), to_split(match[2])))
    rows = list(read_lines(root / LABELS, f"FCVID's labels, {LABEL_ROW}"))
    if len(videos) != len(rows):
        raise ListError(root / LABELS, f"a row for each of the {len(videos)} videos of {VIDEOS}, got {len(rows)} rows")
    classes = len(_columns(rows[0][1]))
    entries = []
    for (video, word), (number, columns) in zip(videos, rows, strict=True):
        flags = _columns(columns)
        if len(flags) != classes or not set(flags) <= {"0", "1"} or "1" not in flags:
            raise ListError(root / LABELS, f"{classes} columns of 0 or 1 with at least one 1", number, columns)
        if (word == "train") == (split == "train"):
            labels = tuple(label for label, flag in enumerate(flags) if flag == "1")
            entries.append(Entry(video, labels, anywhere=True))
    return filled(Listing(named(classes, _names(root, classes)), tuple(entries)), root / VIDEOS, split)


def _columns(line: str) -> list[str]:
    return re.split(SEPARATOR, line.strip(" \t,;"))


def _names(root: Path, classes: int | None = None) -> list[str]:
    for name in ("materials/FCVID_ClassName.txt", "classInd.txt", "materials/classInd.txt"):
        if (root / name).exists():
            names = read_names(root / name)
            if classes and len(names) != classes:
                raise ListError(root / name, f"a name for each of the {classes} columns of {LABELS}, got {len(names)}")
            return names
    return []


def _read_arnet(root: Path, split: str) -> Listing:
    path = root / f"fcvid_{'train' if split == 'train' else 'val'}_split.txt"
    names = _names(root)
    entries = []
    for number, line in read_lines(path, f"AR-Net's list of rows {ARNET_ROW}"):
        row = split_numbers(line) if "," in line else None
        if not row:
            raise ListError(path, ARNET_ROW, number, line)
        video, (_, *texts) = row
        labels = dict.fromkeys(to_label(text, path, number, ARNET_ROW, len(names) or None) for text in texts)
        entries.append(Entry(video.replace("\\", "/"), tuple(labels), anywhere=True))
    return Listing(numbered(entries, names), tuple(entries))
