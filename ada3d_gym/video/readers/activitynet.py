"""ActivityNet 1.3: 200 classes, 10,024 training, 4,926 validation videos, labels of the test videos withheld.

The official `activity_net.v1-3.min.json`, or TSN-style lists where `train.txt` is found instead.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ada3d_gym.video.indexing.list_text import (
    ListError,
    read_lines,
    read_names,
    read_text,
    split_numbers,
    to_label,
    to_split,
)
from ada3d_gym.video.indexing.listing import Entry, Listing, Problem, filled, numbered

FILE = "activity_net.v1-3.min.json"
TSN_ROW = "'v_<id> num_frames label [label2]'"
FORMAT = "JSON with 'database': {id: {'subset', 'annotations': [{'label', 'segment'}]}}"


def read(root: Path, split: str) -> Listing:
    """Videos `v_<id>.<extension>`. The paper tests on the validation videos, so "val" and "test" are both these.
    Classes are in alphabetical order. Videos of the split without a label are problems of the listing."""
    path = root / FILE
    if not path.exists() and (root / "train.txt").exists():
        return _read_tsn(root, split)
    try:
        database = json.loads(read_text(path, "ActivityNet's annotations"))["database"]
        videos = {video: _about(path, video, about) for video, about in database.items()}
    except ListError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ListError(path, f"{FORMAT} ({type(error).__name__}: {error})") from error
    names = sorted({label for _, labels in videos.values() for label in labels})
    index = {name: label for label, name in enumerate(names)}
    prefixed = all(video.startswith("v_") for video in videos)
    entries, problems = [], []
    for video, (subset, labels) in videos.items():
        if subset == ("train" if split == "train" else "val"):  # the test labels are withheld
            # an id has 11 characters, and may itself begin with v_
            name = video if prefixed or (video.startswith("v_") and len(video) == 13) else f"v_{video}"
            if labels:
                entries.append(Entry(name, tuple(index[label] for label in labels), anywhere=True))
            else:
                problems.append(Problem(name, "unlabelled", f"{FILE} gives it no label"))
    return filled(Listing(tuple(names), tuple(entries), tuple(problems)), path, split)


def _about(path: Path, video: str, about: Any) -> tuple[str, list[str]]:
    """The subset of a video and its labels, each once."""
    try:
        subset = to_split(about["subset"])
        labels = list(dict.fromkeys(note["label"].strip() for note in about["annotations"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ListError(path, f"{FORMAT} ({type(error).__name__} at {video}: {error})") from error
    if not subset or "" in labels:
        got = about["subset"] if not subset else "an empty label"
        raise ListError(path, f"{video} to have a subset (training, validation, testing) and labels", got=got)
    return subset, labels


def _read_tsn(root: Path, split: str) -> Listing:
    path = root / ("train.txt" if split == "train" else "val.txt")
    names = read_names(root / "classes.txt") if (root / "classes.txt").exists() else []
    entries = []
    for number, line in read_lines(path, f"rows of {TSN_ROW}"):
        row = split_numbers(line)
        if not row:
            raise ListError(path, TSN_ROW, number, line)
        video, (_, *texts) = row
        labels = dict.fromkeys(to_label(text, path, number, TSN_ROW, len(names) or None) for text in texts)
        entries.append(Entry(video, tuple(labels), anywhere=True))
    return Listing(numbered(entries, names), tuple(entries))
