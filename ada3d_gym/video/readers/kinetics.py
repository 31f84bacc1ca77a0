"""Kinetics-400 and both sets that are called Mini-Kinetics."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ada3d_gym.video.indexing.list_text import (
    LINE_END,
    ListError,
    read_lines,
    read_text,
    split_numbers,
    to_label,
    to_split,
    unquote,
)
from ada3d_gym.video.indexing.listing import Entry, Listing, filled, named

COLUMNS = ("label", "youtube_id", "time_start", "time_end")
HEADER = "a header 'label,youtube_id,time_start,time_end,split'"
ADAFOCUS_ROW = "'folder/of/video num_frames label'"
Row = tuple[str, str, int, int, str]


def read(root: Path, split: str) -> Listing:
    """Kinetics-400 from `kinetics400.csv`, or `train.csv` and `val.csv` (or `validate.csv`), of the official columns.

    Clips are `<id>_<start>_<end>.mp4`, times as six digits. The validation videos stand for "test", as in the
    literature; rows of the test split are not used. Classes are in alphabetical order.
    """
    names, wanted = set(), []
    for path, line, row in _rows(root):
        word = to_split(row[4])
        if not word:
            raise ListError(path, "a split of train, val (validate, validation) or test", line, row[4])
        if row[0]:
            names.add(row[0])
        if word == ("train" if split == "train" else "val"):
            wanted.append(row)
    return filled(_listing(sorted(names), wanted), _files(root)[0 if split == "train" else -1], split)


def read_mini(root: Path, split: str) -> Listing:
    """Mini-Kinetics-200 of Xie et al. (2018), the paper's: `train_ytid_list.txt` and `val_ytid_list.txt`, one YouTube
    id a line, joined with Kinetics-400's CSV for labels and times."""
    paths = [root / "train_ytid_list.txt", root / "val_ytid_list.txt"]
    path, other = paths if split == "train" else reversed(paths)
    by_id: defaultdict[str, dict[Row, str]] = defaultdict(dict)
    for file, line, row in _rows(root):
        by_id[row[1]].setdefault(row, f"line {line} of {file.name}")
    wanted: list[Row] = []
    for number, video in _ids(path):
        if video not in by_id:
            raise ListError(path, "the id of a video of Kinetics-400's CSV", number, video)
        if len(by_id[video]) > 1:
            places = " and ".join(by_id[video].values())
            raise ListError(
                path, "an id with one clip in Kinetics-400's CSV", number, video, f"it has some at {places}"
            )
        wanted.extend(by_id[video])
    both = [*wanted, *(row for _, video in _ids(other) for row in by_id.get(video, ()))]
    return _listing(sorted({row[0] for row in both}), wanted)


def read_mini_adafocus(root: Path, split: str) -> Listing:
    """The other Mini-Kinetics, of AR-Net, AdaFuse and AdaFocus: `mini_train_videofolder.txt`, rows `folder frames
    label`, folders with spaces in them, each once a video of that name. The two share 102 of their 200 classes."""
    path = root / f"mini_{'train' if split == 'train' else 'val'}_videofolder.txt"
    entries: list[Entry] = []
    folders: defaultdict[int, set[str]] = defaultdict(set)
    for number, line in read_lines(path, f"rows of {ADAFOCUS_ROW}"):
        row = split_numbers(line, 2)
        if not row:
            raise ListError(path, ADAFOCUS_ROW, number, line)
        video, label = row[0].replace("\\", "/"), to_label(row[1][1], path, number, ADAFOCUS_ROW)
        folders[label].add(video.rpartition("/")[0].rpartition("/")[2])
        entries.append(Entry(video, (label,), anywhere=True))
    names = {label: min(its) for label, its in folders.items() if len(its) == 1 and its != {""}}
    if len(set(names.values())) < len(folders):  # the folders are no classes
        names = {}
    classes = 1 + max(folders)
    return Listing(named(classes, (names.get(label, f"class {label}") for label in range(classes))), tuple(entries))


def _listing(names: list[str], rows: Iterable[Row]) -> Listing:
    index = {name: label for label, name in enumerate(names)}
    return Listing(tuple(names), tuple(Entry(_stem(row), (index[row[0]],), anywhere=True) for row in rows))


def _ids(path: Path) -> list[tuple[int, str]]:
    lines = read_lines(path, "one YouTube id a line")
    return [(number, unquote(line.rstrip(" \t,;"))) for number, line in lines]


def _files(root: Path) -> list[Path]:
    whole = root / "kinetics400.csv"
    if whole.exists():
        return [whole]
    val = next((root / name for name in ("val.csv", "validate.csv") if (root / name).exists()), root / "val.csv")
    return [root / "train.csv", val]


def _rows(root: Path) -> list[tuple[Path, int, Row]]:
    """The rows of the annotations, each with its file and line."""
    return [row for path in _files(root) for row in _read_csv(path)]


def _read_csv(path: Path) -> list[tuple[Path, int, Row]]:
    text = read_text(path, f"Kinetics' annotations with {HEADER}")
    lines = re.split(LINE_END, text)
    header = next((line.strip() for line in lines if line.strip()), "")
    delimiter = max(",\t;", key=header.count)  # as spreadsheets in some languages have it
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, skipinitialspace=True)
    titles: dict[str, int] = {}
    rows = []
    try:
        for fields in reader:
            fields = [field.strip() for field in fields]
            if not any(fields):
                continue
            if not titles:
                titles = {title.lower(): column for column, title in enumerate(fields)}
                if not {*COLUMNS} <= titles.keys() or ("split" not in titles and path.name == "kinetics400.csv"):
                    raise ListError(path, HEADER, reader.line_num, ",".join(fields))
                continue
            rows.append((path, reader.line_num, _to_row(path, reader.line_num, fields, titles)))
    except csv.Error as error:
        raise ListError(path, f"comma-separated values ({error})", reader.line_num) from error
    if not rows:
        raise ListError(path, f"Kinetics' annotations with {HEADER}", hint="there is no row in it")
    return rows


def _to_row(path: Path, line: int, fields: list[str], titles: dict[str, int]) -> Row:
    """A row of the annotations. Where they have no column of the split, the file's name is that."""
    try:
        label, video, start, end = (fields[titles[title]] for title in COLUMNS)
        split = fields[titles["split"]] if "split" in titles else path.stem
        row = label, video, int(float(start)), int(float(end)), split
    except (IndexError, ValueError, OverflowError):
        raise ListError(path, "label,youtube_id,seconds,seconds,split", line, ",".join(fields)) from None
    if not video or not (label or to_split(split) == "test"):  # the labels of test videos may be withheld
        raise ListError(path, "a label and an id in each row", line, ",".join(fields))
    return row


def _stem(row: Row) -> str:
    label, video, start, end, split = row
    return f"{split}/{label}/{video}_{start:06d}_{end:06d}"
