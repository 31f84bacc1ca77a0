"""Which videos and classes a folder is taken to hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.own.collecting import collect

Put = Callable[[str], Path]


def names(folder: Path) -> list[tuple[str, str, str | None]]:
    """Class, path and split of each video."""
    found = collect(folder)
    return [(found.class_names[v.label], v.path.relative_to(folder).as_posix(), v.split) for v in found.videos]


def test_class_folders_nested_as_they_may_be(a_video: Put, tmp_path: Path):
    paths = ["run/b.MOV", "walk/2024/may/a.mp4", "walk/c.webm"]
    for path in paths:
        a_video(path)
    for other in ("walk/readme.txt", "walk/.hidden.mp4", ".trash/x.mp4", "walk/__MACOSX/._a.mp4", "walk/noext"):
        (tmp_path / other).parent.mkdir(exist_ok=True)
        (tmp_path / other).write_text("no video")
    (tmp_path / "notes").mkdir()
    a_video("loose.mp4")
    found = collect(tmp_path)
    assert found.class_names == ("run", "walk")
    assert [video.path.relative_to(tmp_path).as_posix() for video in found.videos] == [paths[0], paths[2], paths[1]]
    assert dict(found.ignored) == {".txt": 1, "hidden": 1, "without extension": 1}
    assert [path.name for path in found.stray] == ["loose.mp4"]
    assert found.empty == ("notes",)


def test_folders_of_splits_with_class_folders_in_them(a_video: Put, tmp_path: Path):
    for path in ("train/run/a.mp4", "train/walk/b.mp4", "Validation/run/c.mp4", "test/walk/d.mp4", "test/e.mp4"):
        a_video(path)
    assert names(tmp_path) == [
        ("run", "train/run/a.mp4", "train"),
        ("run", "Validation/run/c.mp4", "val"),
        ("walk", "test/walk/d.mp4", "test"),
        ("walk", "train/walk/b.mp4", "train"),
    ]
    assert [path.name for path in collect(tmp_path).stray] == ["e.mp4"]


def test_a_class_may_be_called_train(a_video: Put, tmp_path: Path):
    a_video("train/a.mp4")
    a_video("bus/b.mp4")
    assert names(tmp_path) == [("bus", "bus/b.mp4", None), ("train", "train/a.mp4", None)]


def test_lists_at_the_top_say_what_is_what(a_video: Put, tmp_path: Path):
    for path in ("x/a.mp4", "x/b.mp4", "y/c.mp4"):
        a_video(path)
    (tmp_path / "classes.txt").write_text("walk\nrun\n")
    (tmp_path / "train.csv").write_text("x/a.mp4 run\nx/b.mp4 walk\nx/gone.mp4 walk\n")
    (tmp_path / "val.csv").write_text("y/c.mp4 walk\n")
    assert names(tmp_path) == [("walk", "x/b.mp4", "train"), ("walk", "y/c.mp4", "val"), ("run", "x/a.mp4", "train")]
    assert [(problem.path, problem.cause) for problem in collect(tmp_path).problems] == [("x/gone.mp4", "missing")]


def test_links_to_folders_in_circles_end(a_video: Put, tmp_path: Path):
    a_video("run/a.mp4")
    a_video("walk/b.mp4")
    (tmp_path / "walk" / "again").symlink_to(tmp_path / "walk")
    assert len(collect(tmp_path).videos) == 2


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        ([], "no video below .*: expected one folder a class .*; videos end in mp4, mkv"),
        (["a.mp4"], "no video below .*; it holds 1 videos in no class's folder: expected one folder a class"),
        (["run/a.mp4", "run/b.mp4"], "has one class, 'run': a classifier needs at least two"),
        (["all/run/a.mp4", "all/walk/b.mp4"], "has one class, 'all'.*; did you mean .*/all\\?"),
        (["val/run/a.mp4", "test/walk/b.mp4"], r"folders of splits \(test, val\) and none to train on: add train"),
        (["train/run/a.mp4", "val/run/b.mp4", "old/c.mp4"], r"of splits \(train, val\) beside 'old': take that away"),
    ],
    ids=["empty", "loose", "one class", "one level too high", "no train", "more than splits"],
)
def test_what_cannot_be_learned_from_is_an_error(paths: list[str], told: str, a_video: Put, tmp_path: Path):
    for path in paths:
        a_video(path)
    with pytest.raises(InputError, match=told):
        collect(tmp_path)


def test_lists_without_one_to_train_on_are_not_passed_over(a_video: Put, tmp_path: Path):
    a_video("run/a.mp4")
    a_video("walk/b.mp4")
    (tmp_path / "test.csv").write_text("run/a.mp4 0\nwalk/b.mp4 1\n")
    with pytest.raises(InputError, match=r"holds test\.csv and no train\.csv: add it, or take test\.csv away"):
        collect(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path):
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / 'none'} is no folder: expected one folder a class")):
        collect(tmp_path / "none")


def test_a_folder_of_pictures_says_so(tmp_path: Path):
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "a.jpg").write_text("")
    with pytest.raises(InputError, match=r"it holds other files \(1 \.jpg\)"):
        collect(tmp_path)
