"""Indexing goes on where it was stopped, looks again at what has changed, and outlives files that kill their reader."""

from __future__ import annotations

import functools
import io
import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from ada3d_gym.datasets import index_path, load_index
from ada3d_gym.experiments import index_videos as module
from ada3d_gym.experiments.index_videos import index_videos
from ada3d_gym.experiments.main import main
from ada3d_gym.video.decoders.video import Video
from ada3d_gym.video.indexing.listing import ListError
from ada3d_gym.video.indexing.probe import probe_all
from tests.processes import ADA3D, kill_when, run, start
from tests.video.files import video_file
from tests.video.looks import crash_or_hang, odd


def video_set(root: Path, names: Sequence[str]) -> Path:
    """Copies of one video, and a plain list of them."""
    root.mkdir(exist_ok=True)
    whole = video_file(root / "whole.mp4", 12).path
    for name in names:
        shutil.copy(whole, root / name)
    (root / "train.csv").write_text("".join(f"{name} {number % 2}\n" for number, name in enumerate(names)))
    (root / "val.csv").write_text("whole.mp4 0\n")
    return root


def journal_of(root: Path) -> list[str]:
    path = index_path("videos", root, "probes").with_suffix(".jsonl")
    return [line for line in path.read_text().splitlines() if line] if path.exists() else []


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that have been probed in this process."""
    names: list[str] = []

    def recording(paths: Sequence[Path], **options: Any) -> Any:
        names.extend(path.name for path in paths)
        return probe_all(paths, **options)

    monkeypatch.setattr(module, "probe_all", recording)
    return names


@pytest.mark.slow
def test_a_killed_run_is_completed_by_the_next(tmp_path: Path, probed: list[str]):
    names = [f"{number:03d}.mp4" for number in range(150)]
    root = video_set(tmp_path / "set", names)
    process = start("-m", "experiments.index_videos", "videos", "--root", str(root))
    kill_when(process, lambda: len(journal_of(root)) >= 5)
    known = journal_of(root)
    assert 5 <= len(known) < 150
    assert not index_path("videos", root, "train").exists()
    index_videos("videos", root=root)
    assert {*names, "whole.mp4"} - set(probed) == {name for name in names if any(name in line for line in known)}
    assert len(probed) <= 151 - len(known) + 1  # the last line may be cut short
    index = load_index("videos", root, "train")
    assert [record.path.name for record in index] == names
    assert {record.frames for record in index} == {12}
    probed.clear()
    index_videos("videos", root=root)
    assert probed == []


def test_changed_and_bad_files_are_probed_again(tmp_path: Path, probed: list[str]):
    root = video_set(tmp_path / "set", ["same.mp4", "touched.mp4", "longer.mp4", "bad.mp4"])
    (root / "bad.mp4").write_text("no video")
    index_videos("videos", root=root)
    assert sorted(probed) == ["bad.mp4", "longer.mp4", "same.mp4", "touched.mp4", "whole.mp4"]
    assert [problem.cause for problem in load_index("videos", root, "train").problems] == ["unreadable"]
    probed.clear()
    os.utime(root / "touched.mp4", (1, 1))
    video_file(root / "longer.mp4", 20)
    shutil.copy(root / "whole.mp4", root / "bad.mp4")
    index_videos("videos", root=root)
    assert sorted(probed) == ["bad.mp4", "longer.mp4", "touched.mp4"]
    index = load_index("videos", root, "train")
    assert [record.frames for record in index] == [12, 12, 20, 12]
    assert not index.problems


def test_files_that_crash_or_hang_their_reader_are_named_and_the_rest_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    names = ["a.mp4", "crash.mp4", "b.mp4", "hang.mp4", "c.mp4", "crash too.mp4", "d.mp4"]
    root = video_set(tmp_path / "set", names)
    monkeypatch.setattr(module, "probe_all", functools.partial(probe_all, look=crash_or_hang))
    index_videos("videos", root=root, timeout=5)
    index = load_index("videos", root, "train")
    assert [record.path.name for record in index] == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    causes = {Path(problem.path).name: problem.cause for problem in index.problems}
    assert causes == {"crash.mp4": "crashed", "hang.mp4": "hung", "crash too.mp4": "crashed"}
    printed = capsys.readouterr().out
    assert "train: 4 videos of 7; left out: 2 crashed, 1 hung" in printed
    assert f"hung: {root / 'hang.mp4'} (nothing more was read from it for 5 s; " in printed
    assert "give a longer --timeout)" in printed


def test_a_slow_file_is_indexed_and_called_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    root = video_set(tmp_path / "set", ["slow.mp4"])
    monkeypatch.setattr(module, "probe_all", functools.partial(probe_all, look=odd))
    index_videos("videos", root=root, timeout=0.7)
    printed = capsys.readouterr().out
    assert "train: 1 videos of 1" in printed
    assert f"slow: {root / 'slow.mp4'} (took 2 s; so will its clips" in printed


@pytest.mark.slow  # names that are no text stand in lists, and any output takes names, in any case
def test_a_folder_whose_name_is_no_text_is_indexed_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")  # what a terminal has
    root = tmp_path / os.fsdecode(b"r\xe9")
    folder = root / os.fsdecode(b"caf\xe9")
    folder.mkdir(parents=True)
    video_file(folder / "a.mp4", 12)
    (folder / "b.mp4").write_text("no video")
    (root / "train.csv").write_text("a.mp4 0\nb.mp4 0\n")
    (root / "val.csv").write_text("a.mp4 0\n")
    printed = run(*ADA3D, "index-videos", "videos", "--root", str(root))
    assert "train: 1 videos of 2; left out: 1 unreadable" in printed
    assert r"unreadable:" in printed and r"caf\udce9/b.mp4" in printed
    index = load_index("videos", root, "train")
    assert index[0].path == folder / "a.mp4"
    assert Video(index[0].path, seekable=index[0].seekable).read([11]).shape == (1, 64, 64, 3)


def test_lists_may_lie_elsewhere(tmp_path: Path):
    root, lists = video_set(tmp_path / "set", ["a.mp4", "b.mp4"]), tmp_path / "lists"
    lists.mkdir()
    for name in ("train.csv", "val.csv"):
        (root / name).rename(lists / name)
    index_videos("videos", root=root, annotations=lists)
    assert [record.path for record in load_index("videos", root, "train")] == [root / "a.mp4", root / "b.mp4"]


def test_lists_whose_videos_are_elsewhere_end_the_command(tmp_path: Path):
    root = video_set(tmp_path / "set", ["a.mp4"])
    for name in ("train.csv", "val.csv"):
        (root / name).write_text("videos/a.mp4 0\n")
    with pytest.raises(ListError, match=r"videos/a\.mp4; no such file; a\.mp4 has the name"):
        index_videos("videos", root=root)


def test_what_is_left_out_of_lists_is_counted_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = video_set(tmp_path / "set", ["b.mp4", "c.mp4"])
    (root / "b.mp4").rename(root / os.fsdecode(b"caf\xe9.mp4"))
    for folder in ("x", "y"):
        (root / folder).mkdir()
        shutil.copy(root / "whole.mp4", root / folder / "d.mp4")
    rows = (b"caf\xe9.mp4 0", b"gone.mp4 1", b"whole.avi 1", b"d.mp4 1", b"c.mp4 0", b"c.mp4 1", b"caf\xe9.mp4 0")
    (root / "train.csv").write_bytes(b"\n".join(rows))
    (root / "val.csv").write_text("whole.mp4 1\n")
    index_videos("videos", root=root)
    index = load_index("videos", root, "train")
    assert [record.path.name for record in index] == ["caf\udce9.mp4", "whole.mp4"]
    assert [problem.cause for problem in index.problems] == [
        "missing",
        "ambiguous",
        "conflict",
        "conflict",
        "duplicate",
    ]
    printed = capsys.readouterr().out
    assert "train: 2 videos of 7; left out: 2 conflict, 1 missing, 1 ambiguous, 1 duplicate" in printed
    assert "ambiguous: d.mp4 (may be any of x/d.mp4, y/d.mp4)" in printed
    assert "duplicate: caf\\udce9.mp4" in printed
    assert "warning: 1 file is both in train and val" in printed
    assert "warning: 1 file is of another extension than the list says" in printed


def test_any_output_takes_the_names_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = video_set(tmp_path / "set", ["a.mp4"])
    (root / "train.csv").write_text("a.mp4 0\nżółw.mp4 0\n", encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["ada3d", "index-videos", "videos", "--root", str(root)])
    printed = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(printed, "ascii", "strict", write_through=True))
    main()
    assert rb"missing: \u017c" in printed.getvalue()


def test_all_indexes_are_written_though_nobody_reads_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As in "index-videos … | head"."""
    root = video_set(tmp_path / "set", ["a.mp4"])
    monkeypatch.setattr("builtins.print", Mock(side_effect=BrokenPipeError))
    with pytest.raises(BrokenPipeError):
        index_videos("videos", root=root)
    assert [len(load_index("videos", root, split)) for split in ("train", "val", "test")] == [1, 1, 1]


def test_a_list_that_has_changed_since_is_named(tmp_path: Path):
    root = video_set(tmp_path / "set", ["a.mp4", "b.mp4"])
    index_videos("videos", root=root)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_index("videos", root, "val")
    (root / "val.csv").write_text("whole.mp4 1\n# by another hand\n")
    with pytest.warns(UserWarning, match=r"val\.csv: changed since it was indexed.*ada3d index-videos videos --root"):
        load_index("videos", root, "val")
