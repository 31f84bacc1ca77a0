"""Which file a row of a list means: never one that may be another video, and nothing is dropped in silence."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from ada3d_gym.video.indexing.list_checks import suspicions
from ada3d_gym.video.indexing.listing import Entry, Listing, Problem, find_files
from ada3d_gym.video.indexing.locating import locate

NFC, NFD = (unicodedata.normalize(form, "café.mp4") for form in ("NFC", "NFD"))


def touch(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def listing(*rows: tuple[str, int], anywhere: bool = False) -> Listing:
    return Listing(("a", "b"), tuple(Entry(path, (label,), anywhere) for path, label in rows))


def outcome(root: Path, **listings: Listing) -> dict[str, list[str]]:
    """For each row its file from the root, or its cause."""
    found = locate(root, listings)
    return {
        split: [each.cause if isinstance(each, Problem) else str(each.relative_to(root)) for each in row]
        for split, row in found.items()
    }


@pytest.mark.parametrize(
    ("wanted", "file"),
    [
        ("x/b.webm", "x/b.webm"),
        ("x/b", "x/b.webm"),
        ("x/b.AVI", "x/b.webm"),
        ("x\\b.webm", "x/b.webm"),
        ("./x//b.webm", "x/b.webm"),
        ("x/B.webm", None),
        ("y/b.webm", None),
        ("er/c.mp4", None),  # a path starts at the root
        ("/er/c.mp4", None),
        ("c.mp4", "c.mp4"),
        ("c", "c.mp4"),
        ("b", "x/b.webm"),
        ("d", "d.mkv"),
        ("d.txt", "d.txt"),
        ("e.f", "e.f.mp4"),
        ("g.mp4", "G/g.MP4"),
        (f"G/{NFC}", f"G/{NFD}"),
        (NFD, f"G/{NFD}"),
        ("AC\\DC.mp4", "AC\\DC.mp4"),
        ("missing", None),
        ("deep/er", None),
        ("n" * 300, None),
        ("h.mp4", None),  # two may be meant
        ("p/i.avi", None),
    ],
)
def test_a_path_means_that_file_and_a_name_the_only_one_below(wanted: str, file: str | None, tmp_path: Path):
    touch(tmp_path, "x/b.webm", "c.mp4", "deep/er/c.mp4", "d.txt", "d.mkv", "e.f.mp4", "G/g.MP4", f"G/{NFD}")
    touch(tmp_path, "AC\\DC.mp4", "x/h.mp4", "y/h.mp4", "p/i.mp4", "p/i.mkv")
    (found,) = find_files(tmp_path, [Entry(wanted, (0,))])
    assert found == (tmp_path / file if file else None)


def test_absolute_paths_mean_themselves(tmp_path: Path):
    root = touch(tmp_path / "root", "walk/a.mp4")
    touch(tmp_path, "else/b.mp4")
    wanted = [root / "walk/a.mp4", root / "a.mp4", tmp_path / "else/b.mp4", tmp_path / "else/b.avi", "../else/b.mp4"]
    found = find_files(root, [Entry(str(path), (0,)) for path in wanted])
    assert [path and path.resolve() for path in found] == [wanted[0], None, wanted[2], wanted[2], wanted[2]]


def test_names_of_public_sets_are_found_in_other_folders(tmp_path: Path):
    touch(tmp_path, "flat_7.mp4", "videos/train/walk/c_7.webm", "resized/c_7.mp4", "val_256/run/r_1.mkv")
    rows = ("train/walk/flat_7", 0), ("train/walk/c_7", 0), ("val/run/r_1.mp4", 1), ("/frames/run/flat_8", 1)
    assert outcome(tmp_path, train=listing(*rows, anywhere=True))["train"] == [
        *("flat_7.mp4", "videos/train/walk/c_7.webm", "val_256/run/r_1.mkv", "missing")
    ]


@pytest.mark.parametrize("others", [("run/1.mp4",), ("run/2.mp4",)])
@pytest.mark.parametrize("anywhere", [False, True])
def test_another_folders_file_does_not_stand_in(others: tuple[str], anywhere: bool, tmp_path: Path):
    touch(tmp_path, "videos/run/1.mp4", "run/1.mp4", *others)
    train = listing(("walk/1.mp4", 0), anywhere=anywhere)
    assert outcome(tmp_path, train=train, val=listing(*((file, 1) for file in others), anywhere=anywhere)) == {
        "train": ["missing"],
        "val": list(others),
    }


def test_what_may_be_two_files_is_named_with_both(tmp_path: Path):
    touch(tmp_path, "walk/1.mp4", "run/1.mp4")
    (problem,) = locate(tmp_path, {"train": listing(("1.mp4", 0))})["train"]
    assert isinstance(problem, Problem)
    assert problem.cause == "ambiguous"
    assert "walk/1.mp4" in problem.detail
    assert "run/1.mp4" in problem.detail


def test_links_to_one_file_are_one(tmp_path: Path):
    touch(tmp_path, "all/1.mp4")
    (tmp_path / "walk").mkdir()
    os.symlink(tmp_path / "all/1.mp4", tmp_path / "walk/1.mp4")
    os.symlink(tmp_path, tmp_path / "all/circle")
    assert outcome(tmp_path, train=listing(("1.mp4", 0)))["train"] == ["all/1.mp4"]


@pytest.mark.parametrize(
    ("train", "val", "causes"),
    [
        ([("walk/1.mp4", 0), ("walk/1.mp4", 0)], [], ["walk/1.mp4", "duplicate"]),
        ([("walk/1.mp4", 0), ("1.mp4", 0)], [], ["walk/1.mp4", "duplicate"]),
        ([("walk/1.mp4", 0), ("walk/1.mp4", 1)], [], ["conflict", "conflict"]),
        ([("walk/1.mp4", 0), ("walk\\1.mp4", 1)], [], ["conflict", "conflict"]),
        ([("1.mp4", 0)], [("walk/1.avi", 1)], ["conflict", "conflict"]),
        ([("walk/1.mp4", 0)], [("walk/1.mp4", 0)], ["walk/1.mp4", "walk/1.mp4"]),
    ],
)
def test_no_file_has_two_rows_or_two_labels(train, val, causes: list[str], tmp_path: Path):
    touch(tmp_path, "walk/1.mp4")
    found = outcome(tmp_path, train=listing(*train), val=listing(*val))
    assert [*found["train"], *found["val"]] == causes


def test_a_file_belongs_to_the_row_with_its_folders(tmp_path: Path):
    touch(tmp_path, "val/walk/x_1.mp4")
    train, val = (listing((f"{split}/walk/x_1", 0), anywhere=True) for split in ("train", "val"))
    assert outcome(tmp_path, train=train, val=val) == {"train": ["missing"], "val": ["val/walk/x_1.mp4"]}


def test_files_in_two_splits_and_other_extensions_are_said(tmp_path: Path):
    touch(tmp_path, "1.mp4", "2.mp4")
    listings = {
        "train": listing(("1.mp4", 1), ("2.avi", 1)),
        "val": listing(("1.mp4", 1)),
        "test": listing(("1.mp4", 1)),
    }
    leak, extension, labels = suspicions(listings, locate(tmp_path, listings))
    assert leak == f"1 file is both in train and val, as {tmp_path / '1.mp4'}"
    assert extension == f"1 file is of another extension than the list says, as {tmp_path / '2.mp4'} for 2.avi"
    assert "count from 0" in labels
    whole = {"train": listing(("2.mp4", 0)), "val": listing(("1.mp4", 1))}
    assert suspicions(whole, locate(tmp_path, whole)) == []
