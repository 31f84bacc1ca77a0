"""How videos are shared out, and the lists that say so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.own.collecting import Found, Split
from ada3d_gym.experiments.own.lists import HEAD, Shares, share_out, write_lists
from ada3d_gym.files import OutputError
from ada3d_gym.video.indexing.listing import read_splits
from ada3d_gym.video.readers import plain

ROOT = Path("/videos")


def some(counts: list[int], split: Split | None = None, folder: str = "") -> list[Found]:
    return [
        Found(ROOT / folder / str(label) / f"{number}.mp4", label, split)
        for label, count in enumerate(counts)
        for number in range(count)
    ]


def counted(splits: dict[Split, list[Found]]) -> dict[str, list[int]]:
    return {
        split: [count for _, count in sorted(Counter(v.label for v in its).items())] for split, its in splits.items()
    }


@pytest.mark.parametrize(
    ("count", "sizes"), [(3, (1, 1, 1)), (4, (2, 1, 1)), (10, (6, 2, 2)), (60, (42, 9, 9)), (200, (140, 30, 30))]
)
def test_every_class_is_in_every_split(count: int, sizes: tuple[int, int, int]):
    splits = share_out(some([count, 20]), ("a", "b"), Shares(), 0, ROOT)
    assert [its[0] for its in counted(splits).values()] == list(sizes)
    assert len({video.path for its in splits.values() for video in its}) == count + 20


def test_shares_may_be_others():
    splits = share_out(some([10, 10]), ("a", "b"), Shares(1, 1, 3), 0, ROOT)
    assert counted(splits) == {"train": [2, 2], "val": [2, 2], "test": [6, 6]}
    with pytest.raises(InputError, match="share of val: 0, expected a number above 0"):
        Shares(1, 0, 1)


def test_the_seed_and_nothing_else_draws():
    def test_videos(seed: int, root: Path = ROOT) -> set[str]:
        moved = [Found(root / each.path.relative_to(ROOT), each.label) for each in some([40, 40])]
        splits = share_out(moved, ("a", "b"), Shares(), seed, root)
        return {video.path.relative_to(root).as_posix() for video in splits["test"]}

    assert test_videos(0) == test_videos(0, Path("/elsewhere"))
    assert test_videos(0) != test_videos(1)


def test_more_videos_change_little():
    before = share_out(some([40, 40]), ("a", "b"), Shares(), 0, ROOT)
    after = share_out(some([42, 40]), ("a", "b"), Shares(), 0, ROOT)
    assert before["test"][6:] == after["test"][6:]
    assert len({v.path for v in before["test"]} & {v.path for v in after["test"]}) >= 10


def test_what_folders_say_stays():
    given = some([10, 10], "train", "train") + some([4, 4], "test", "test")
    splits = share_out(given, ("a", "b"), Shares(), 0, ROOT)
    assert counted(splits) == {"train": [8, 8], "val": [2, 2], "test": [4, 4]}
    assert all("test" in video.path.parts for video in splits["test"])
    with_val = share_out(some([10, 10], "train", "train") + some([4, 4], "val", "val"), ("a", "b"), Shares(), 0, ROOT)
    assert all("val" in video.path.parts for video in with_val["test"])  # nothing is chosen by what is tested on
    assert all("train" in video.path.parts for video in with_val["val"])
    both = given + some([1, 1], "val", "val")
    assert counted(share_out(both, ("a", "b"), Shares(), 0, ROOT)) == {"train": [10, 10], "val": [1, 1], "test": [4, 4]}


def test_classes_with_too_few_videos_are_named():
    with pytest.raises(InputError, match="'b' has 2: expected at least 3 usable videos of each class, one each for"):
        share_out(some([5, 2]), ("a", "b"), Shares(), 0, ROOT)
    few = some([5, 1], "train") + some([1, 1], "test", "test")
    with pytest.raises(InputError, match="'b' has 1: expected at least 2 usable videos of each class"):
        share_out(few, ("a", "b"), Shares(), 0, ROOT)


NAMES = ("plain", "# hash", 'quote"d', "com,ma; semi", "trailing ", "7", "ümlaut", "'single'")


def test_lists_read_back_as_they_were_meant(tmp_path: Path):
    files = ("a b.mp4", 'quo"te.mp4', "com,ma 3.mp4", "#hash.mkv", "x.mp4 1.mov", "'q'.avi")
    videos = [Found(tmp_path / name / file, label) for label, name in enumerate(NAMES) for file in files]
    splits: dict[Split, list[Found]] = {"train": videos, "val": videos[:3], "test": videos[-3:]}
    assert write_lists(tmp_path / "lists", splits, NAMES)
    assert not write_lists(tmp_path / "lists", splits, NAMES)
    for split, listing in read_splits(plain.read, tmp_path / "lists").items():
        assert listing.class_names == NAMES
        assert [(entry.path, entry.labels) for entry in listing.entries] == [
            (str(video.path), (video.label,))
            for video in splits[split]  # type: ignore[index]
        ]


def test_a_name_that_no_list_can_hold_is_an_error(tmp_path: Path):
    videos = some([3, 3])
    with pytest.raises(InputError, match=r"'/videos/line\\nbreak\.mp4': a list cannot hold this name; rename the file"):
        write_lists(tmp_path, {"train": [Found(ROOT / "line\nbreak.mp4", 0), *videos], "val": videos}, ("a", "b"))


def test_lists_of_somebody_else_are_not_written_over(tmp_path: Path):
    splits: dict[Split, list[Found]] = {"train": some([3, 3]), "val": some([1, 1]), "test": some([1, 1])}
    (tmp_path / "val.csv").write_text("a.mp4 0\n")
    with pytest.raises(OutputError, match=r"val\.csv is not one of 'ada3d start': move it, or choose another --output"):
        write_lists(tmp_path, splits, ("a", "b"))
    assert (tmp_path / "val.csv").read_text() == "a.mp4 0\n"
    (tmp_path / "val.csv").write_text(f"{HEAD}\nold.mp4 0\n")
    assert write_lists(tmp_path, splits, ("a", "b"))
