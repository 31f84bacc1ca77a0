"""ActivityNet 1.3: 200 classes, 10,024 training, 4,926 validation videos, labels of the test videos withheld.

The official `activity_net.v1-3.min.json`, or TSN-style lists where `train.txt` is found instead.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ada3d_gym.video.listing import Entry, ListError, Listing, named, read_lines, to_label

FILE = "activity_net.v1-3.min.json"
TSN_ROW = "'v_<id> num_frames label [label2]'"
_SUBSETS = {"train": "training", "val": "validation", "test": "validation"}  # the test labels are withheld


def read(root: Path, split: str) -> Listing:
    """Videos `v_<id>.<extension>`. The paper tests on the validation videos, so "val" and "test" are both these.
    Classes are in alphabetical order."""
    path = root / FILE
    if not path.exists() and (root / "train.txt").exists():
        return _read_tsn(root, split)
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        database = content["database"]
        subset = _SUBSETS[split]
        names = sorted({note["label"] for video in database.values() for note in video["annotations"]})
        index = {name: label for label, name in enumerate(names)}
        entries = []
        for video, about in database.items():
            if about["subset"] == subset:
                labels = tuple(dict.fromkeys(index[note["label"]] for note in about["annotations"]))
                if labels:
                    entries.append(Entry(f"v_{video}", labels))
    except OSError as error:
        raise ListError(path, f"ActivityNet's annotations ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        expected = "JSON with 'database': {id: {'subset', 'annotations': [{'label', 'segment'}]}}"
        raise ListError(path, f"{expected} ({type(error).__name__}: {error})") from error
    return Listing(tuple(names), tuple(entries))


def _read_tsn(root: Path, split: str) -> Listing:
    path = root / ("train.txt" if split == "train" else "val.txt")
    names = [line for _, line in read_lines(root / "classes.txt", "")] if (root / "classes.txt").exists() else []
    entries = []
    for number, line in read_lines(path, f"rows of {TSN_ROW}"):
        parts = line.split()
        if len(parts) < 3 or not parts[1].isdigit():
            raise ListError(path, TSN_ROW, number, line)
        labels = tuple(to_label(part, path, number, TSN_ROW, len(names) or None) for part in parts[2:])
        entries.append(Entry(parts[0], labels))
    classes = 1 + max((label for entry in entries for label in entry.labels), default=-1)
    return Listing(named(classes, names), tuple(entries))
