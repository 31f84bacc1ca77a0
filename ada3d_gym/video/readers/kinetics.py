"""Kinetics-400 and both sets that are called Mini-Kinetics."""

from __future__ import annotations

import csv
from pathlib import Path

from ada3d_gym.video.listing import Entry, ListError, Listing, named, read_lines, to_label

COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")
HEADER = "a header 'label,youtube_id,time_start,time_end,split'"
ADAFOCUS_ROW = "'folder/of/video num_frames label'"
_SPLITS = {"train": ("train",), "val": ("val", "validate", "validation"), "test": ("val", "validate", "validation")}


def read(root: Path, split: str) -> Listing:
    """Kinetics-400 from `kinetics400.csv`, or `train.csv` and `val.csv` (or `validate.csv`), of the official columns.

    Clips are `<id>_<start>_<end>.mp4`, times as six digits. The validation videos stand for "test", as in the
    literature. Classes are in alphabetical order.
    """
    rows = _rows(root)
    names = sorted({row[0] for row in rows})
    index = {name: label for label, name in enumerate(names)}
    wanted = (row for row in rows if row[4] in _SPLITS[split])
    return Listing(tuple(names), tuple(Entry(_stem(row), (index[row[0]],)) for row in wanted))


def read_mini(root: Path, split: str) -> Listing:
    """Mini-Kinetics-200 of Xie et al. (2018), the paper's: `train_ytid_list.txt` and `val_ytid_list.txt`, one YouTube
    id a line, joined with Kinetics-400's CSV for labels and times."""
    path = root / ("train_ytid_list.txt" if split == "train" else "val_ytid_list.txt")
    by_id = {row[1]: row for row in _rows(root)}
    wanted = []
    for number, line in read_lines(path, "one YouTube id a line"):
        if line not in by_id:
            raise ListError(path, "the id of a video of Kinetics-400's CSV", number, line)
        wanted.append(by_id[line])
    other = root / ("val_ytid_list.txt" if split == "train" else "train_ytid_list.txt")
    ids = [row[1] for row in wanted] + [line for _, line in read_lines(other, "one YouTube id a line")]
    names = sorted({by_id[each][0] for each in ids if each in by_id})
    index = {name: label for label, name in enumerate(names)}
    return Listing(tuple(names), tuple(Entry(_stem(row), (index[row[0]],)) for row in wanted))


def read_mini_adafocus(root: Path, split: str) -> Listing:
    """The other Mini-Kinetics, of AR-Net, AdaFuse and AdaFocus: `mini_train_videofolder.txt`, rows `folder frames
    label`, folders with spaces in them, each once a video of that name. The two share 102 of their 200 classes."""
    path = root / f"mini_{'train' if split == 'train' else 'val'}_videofolder.txt"
    entries, names = [], {}
    for number, line in read_lines(path, f"rows of {ADAFOCUS_ROW}"):
        parts = line.rsplit(" ", 2)
        if len(parts) != 3 or not parts[1].isdigit():
            raise ListError(path, ADAFOCUS_ROW, number, line)
        label = to_label(parts[2], path, number, ADAFOCUS_ROW)
        video = parts[0].replace("\\", "/")
        if "/" in video:
            names[label] = video.split("/")[-2]
        entries.append(Entry(video, (label,)))
    classes = 1 + max((entry.labels[0] for entry in entries), default=-1)
    return Listing(named(classes, (names.get(label, f"class {label}") for label in range(classes))), tuple(entries))


Row = tuple[str, str, int, int, str]


def _rows(root: Path) -> list[Row]:
    whole = root / "kinetics400.csv"
    if whole.exists():
        return _read_csv(whole)
    val = next((root / name for name in ("val.csv", "validate.csv") if (root / name).exists()), root / "val.csv")
    return _read_csv(root / "train.csv") + _read_csv(val)


def _read_csv(path: Path) -> list[Row]:
    lines = (line for _, line in read_lines(path, f"Kinetics' annotations with {HEADER}"))
    reader = csv.DictReader(lines)
    if not set(COLUMNS) <= set(reader.fieldnames or ()):
        raise ListError(path, HEADER, 1, ",".join(reader.fieldnames or ()))
    rows = []
    for row in reader:
        try:
            rows.append((row["label"], row["youtube_id"], int(row["time_start"]), int(row["time_end"]), row["split"]))
        except (TypeError, ValueError):
            got = ",".join(str(value) for value in row.values())
            raise ListError(path, "label,youtube_id,seconds,seconds,split", reader.line_num, got) from None
    return rows


def _stem(row: Row) -> str:
    label, video, start, end, split = row
    return f"{split}/{label}/{video}_{start:06d}_{end:06d}"
