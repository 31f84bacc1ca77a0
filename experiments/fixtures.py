"""Writes a tiny set of real videos in each data set's official layout, to try readers, index and environments:

    ada3d fixtures /tmp/fixtures
    ada3d index-videos fcvid --root /tmp/fixtures/fcvid

Videos are MotionShapes drawings, 64 x 64 and 32 frames; the lists have the formats of the real ones. Two larger sets
are such as people bring, to try recipes on (`own_fixtures`):

    ada3d fixtures /tmp/fixtures --sets ten phone
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from ada3d_gym.errors import InputError, did_you_mean
from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.own_fixtures.phone import VIDEOS as PHONE
from ada3d_gym.experiments.own_fixtures.phone import phone
from ada3d_gym.experiments.own_fixtures.ten import VIDEOS as TEN
from ada3d_gym.experiments.own_fixtures.ten import ten
from ada3d_gym.files import writing
from ada3d_gym.progress import counted
from ada3d_gym.video.motionshapes.drawing import CLASSES, draw
from ada3d_gym.video.motionshapes.files import FPS, write_video

LABELS = (0, 1, 4, 8)  # two textures, a shape, a motion


def fixtures(
    folder: Path,
    /,
    sets: tuple[str, ...] = (),
    videos: int | None = None,
    style: Literal["a", "b"] = "a",
    seed: int = 0,
    damaged: bool = False,
) -> None:
    """Writes all sets with official layouts, or those that are named.

    Args:
        folder: a folder for each set is made below it.
        sets: names of sets; beside those with official layouts, "ten" is one of ten classes, about 1,500 videos, such
            as people bring, and "phone" one of 3 classes as phones record them.
        videos: of each class: for training, in "ten" (120 by default, and a quarter more for the test); in all, in
            "phone" (60); in each split, elsewhere (2 of 4 classes).
        style: how "ten" is drawn: coloured shapes, or grey figures of strokes.
        seed: of "ten" and "phone".
        damaged: puts a broken video and a text named .mp4 into "phone".
    """
    if videos is not None and videos < 1:
        raise InputError(f"videos={videos}: expected at least 1")
    own: dict[str, Callable[[Path], None]] = {
        "ten": lambda root: ten(root, videos or TEN, style, seed),
        "phone": lambda root: phone(root, videos or PHONE, seed, damaged),
    }
    known = (*WRITERS, *own)
    if unknown := sorted(set(sets) - set(known)):
        expected = f"expected some of {', '.join(known)}{did_you_mean(unknown, known)}"
        raise InputError(f"sets: unknown {', '.join(unknown)}: {expected}")
    chosen = sets or tuple(WRITERS)
    for name in counted(chosen, len(chosen), "writing", "set", quiet=len(chosen) == 1):
        root = folder / name
        with writing(root, "choose another folder"):
            root.mkdir(parents=True, exist_ok=True)
            if name in own:
                own[name](root)
            else:
                WRITERS[name](root, videos or 2)


def _video(path: Path, label: int, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing = draw(LABELS[label], np.random.default_rng((label, number)))
    write_video(path, drawing.frames, FPS)


def _each(videos: int) -> list[tuple[str, int, int]]:
    """(split, label, number) of every video."""
    return [
        (split, label, number + (videos if split == "test" else 0))
        for split in ("train", "test")
        for label in range(len(LABELS))
        for number in range(videos)
    ]


def _names() -> list[str]:
    return [CLASSES[label] for label in LABELS]


def _fcvid(root: Path, videos: int) -> None:
    rows, labels = [], []
    for split, label, number in _each(videos):
        path = f"{_names()[label]}/clip_{number:03d}.mp4"
        _video(root / "videos" / path, label, number)
        rows.append(f"{path}\t{split}")
        also = (label + 1) % len(LABELS) if number % 2 else label  # every second video has two labels
        labels.append("\t".join("1" if each in (label, also) else "0" for each in range(len(LABELS))))
    (root / "materials").mkdir(exist_ok=True)
    (root / "materials/FCVID_VideoName_TrainTestSplit.txt").write_bytes("\r\n".join([*rows, ""]).encode())
    (root / "materials/FCVID_Label.txt").write_text("\n".join(labels) + "\n")


def _activitynet(root: Path, videos: int) -> None:
    database = {}
    for split, label, number in _each(videos):
        subset = {"train": "training", "test": "validation"}[split]
        video = f"{split}{label}x{number:08d}"[-11:]
        _video(root / subset / f"v_{video}.mp4", label, number)
        notes = [{"segment": [0.1, 0.9], "label": _names()[label]}] * 2
        database[video] = {
            "duration": 1.28,
            "subset": subset,
            "resolution": "64x64",
            "url": f"https://www.youtube.com/watch?v={video}",
            "annotations": notes,
        }
    database["withheld000"] = {"duration": 1, "subset": "testing", "resolution": "64x64", "url": "", "annotations": []}
    content = {"database": database, "taxonomy": [], "version": "VERSION 1.3"}
    (root / "activity_net.v1-3.min.json").write_text(json.dumps(content))


def _kinetics_rows(root: Path, videos: int, label_of: Callable[[int], str]) -> dict[str, list[str]]:
    """Writes kinetics400.csv and its clips; returns the ids of each split."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["label", "youtube_id", "time_start", "time_end", "split", "is_cc"])
    ids: dict[str, list[str]] = {"train": [], "val": []}
    for split, label, number in _each(videos):
        official = {"train": "train", "test": "val"}[split]
        video = f"-{label}_{number:08d}"
        folder = root / official / label_of(label)
        _video(folder / f"{video}_{number:06d}_{number + 10:06d}.mp4", label, number)
        writer.writerow([label_of(label), video, number, number + 10, official, 0])
        ids[official].append(video)
    (root / "kinetics400.csv").write_text(text.getvalue())
    return ids


def _kinetics(root: Path, videos: int) -> None:
    _kinetics_rows(root, videos, lambda label: f"drawing {_names()[label]}")


def _mini_kinetics(root: Path, videos: int) -> None:
    for split, ids in _kinetics_rows(root, videos, lambda label: f'drawing "{_names()[label]}", slowly').items():
        (root / f"{split}_ytid_list.txt").write_text("\n".join(ids) + "\n")


def _mini_kinetics_adafocus(root: Path, videos: int) -> None:
    rows: dict[str, list[str]] = {"train": [], "val": []}
    for split, label, number in _each(videos):
        official = {"train": "train", "test": "val"}[split]
        stem = f"{official}/drawing {_names()[label]}/clip{label}_{number:06d}_{number + 10:06d}"
        _video(root / "videos" / f"{stem}.mp4", label, number)
        rows[official].append(f"images/{stem} 32 {label}")
    for split, lines in rows.items():
        (root / f"mini_{split}_videofolder.txt").write_text("\n".join(lines) + "\n")


def _videos(root: Path, videos: int) -> None:
    rows: dict[str, list[str]] = {"train": [], "val": []}
    for split, label, number in _each(videos):
        path = f"my clips/{split} {label} {number}.mp4"
        _video(root / path, label, number)
        rows[{"train": "train", "test": "val"}[split]].append(f"{path} {label}")
    for split, lines in rows.items():
        (root / f"{split}.csv").write_text("\n".join(lines) + "\n")
    (root / "classes.txt").write_text("\n".join(_names()) + "\n")


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "fcvid": _fcvid,
    "activitynet": _activitynet,
    "kinetics": _kinetics,
    "mini-kinetics": _mini_kinetics,
    "mini-kinetics-adafocus": _mini_kinetics_adafocus,
    "videos": _videos,
}


if __name__ == "__main__":
    run(fixtures)
