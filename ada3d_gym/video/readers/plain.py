"""A list of `path label` rows: PySlowFast's format, and that for one's own videos."""

from __future__ import annotations

from pathlib import Path

from ada3d_gym.video.listing import Entry, ListError, Listing, named, read_lines, to_label

ROW = "rows of 'path label' (one space; the label an integer)"


def read(root: Path, split: str) -> Listing:
    """`train.csv`, `val.csv`, `test.csv` below the root (without a test list, val stands in), and `classes.txt` with
    one name a line where there is one. Paths are absolute or below the root, and may hold spaces."""
    path = root / f"{split}.csv"
    if split == "test" and not path.exists():
        path = root / "val.csv"
    names_file = root / "classes.txt"
    names = [name for _, name in read_lines(names_file, "class names")] if names_file.exists() else []
    entries = []
    for number, line in read_lines(path, f"a text file with {ROW}"):
        video, _, label = line.rpartition(" ")
        if not video:
            raise ListError(path, ROW, number, line)
        entries.append(Entry(video.strip(), (to_label(label, path, number, ROW, len(names) or None),)))
    classes = 1 + max((entry.labels[0] for entry in entries), default=-1)
    return Listing(named(classes, names), tuple(entries))
