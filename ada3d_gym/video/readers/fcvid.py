"""FCVID (Jiang et al., 2018): 239 classes, 45,611 training and 45,612 test videos, several labels each.

The official release's `materials/`, or AR-Net's lists where `fcvid_train_split.txt` is found instead.
"""

from __future__ import annotations

import re
from pathlib import Path

from ada3d_gym.video.listing import Entry, ListError, Listing, named, read_lines, to_label

VIDEOS, LABELS = "materials/FCVID_VideoName_TrainTestSplit.txt", "materials/FCVID_Label.txt"
SPLIT_ROW, LABEL_ROW = "'relative/path.ext train|test'", "one column of 0 or 1 for each class"
ARNET_ROW = "'video,num_frames,label[,label2[,label3]]'"


def read(root: Path, split: str) -> Listing:
    """The official lists' train and test; val is the test split, as there is no other."""
    wanted = "train" if split == "train" else "test"
    if not (root / VIDEOS).exists() and (root / "fcvid_train_split.txt").exists():
        return _read_arnet(root, wanted)
    videos = list(read_lines(root / VIDEOS, f"FCVID's list of rows {SPLIT_ROW}"))
    rows = list(read_lines(root / LABELS, f"FCVID's labels, {LABEL_ROW}"))
    if len(videos) != len(rows):
        raise ListError(root / LABELS, f"a row for each of the {len(videos)} videos of {VIDEOS}, got {len(rows)} rows")
    classes = len(rows[0][1].split()) if rows else 0
    entries = []
    for (number, line), (label_number, columns) in zip(videos, rows, strict=True):
        match = re.fullmatch(r"(.+?)\s+(train|test)", line, re.IGNORECASE)
        if not match:
            raise ListError(root / VIDEOS, SPLIT_ROW, number, line)
        flags = columns.split()
        if len(flags) != classes or not set(flags) <= {"0", "1"} or "1" not in flags:
            raise ListError(root / LABELS, f"{classes} columns of 0 or 1 with at least one 1", label_number, columns)
        if match[2].lower() == wanted:
            path = match[1].replace("\\", "/")
            labels = tuple(label for label, flag in enumerate(flags) if flag == "1")
            entries.append(Entry(path, labels))
    return Listing(named(classes, _names(root)), tuple(entries))


def _names(root: Path) -> list[str]:
    for name in ("materials/FCVID_ClassName.txt", "classInd.txt", "materials/classInd.txt"):
        if (root / name).exists():
            return [line for _, line in read_lines(root / name, "class names")]
    return []


def _read_arnet(root: Path, wanted: str) -> Listing:
    path = root / f"fcvid_{'train' if wanted == 'train' else 'val'}_split.txt"
    names = _names(root)
    entries = []
    for number, line in read_lines(path, f"AR-Net's list of rows {ARNET_ROW}"):
        parts = [part.strip() for part in line.split(",")]
        if len(parts) < 3 or not parts[1].isdigit():
            raise ListError(path, ARNET_ROW, number, line)
        video = parts[0].replace("\\", "/")
        labels = tuple(to_label(part, path, number, ARNET_ROW, len(names) or None) for part in parts[2:] if part)
        entries.append(Entry(video, labels))
    classes = 1 + max((label for entry in entries for label in entry.labels), default=-1)
    return Listing(named(classes, names), tuple(entries))
