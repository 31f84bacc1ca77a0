"""Rendering survives what happens to processes and folders."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ada3d_gym.datasets import load_index
from ada3d_gym.errors import Ada3DError
from ada3d_gym.video.cache import CacheError
from ada3d_gym.video.motionshapes import files as module
from ada3d_gym.video.motionshapes.files import cache_folder, motionshapes
from ada3d_gym.video.records import VideoRecord
from tests.processes import finish, kill_when, start

VIDEOS = 56
RENDER = """
import pathlib, sys
from ada3d_gym.video.motionshapes.files import motionshapes
print(*(record.sha256 for record in motionshapes("train", int(sys.argv[2]), pathlib.Path(sys.argv[1]))))
"""


@pytest.fixture(scope="module")
def whole() -> dict[str, bytes]:
    """Every file of an undisturbed set."""
    return {record.path.name: record.path.read_bytes() for record in motionshapes("train", VIDEOS)}


def check(records: list[VideoRecord], whole: dict[str, bytes]) -> None:
    assert {record.path.name: record.path.read_bytes() for record in records} == dict(
        list(whole.items())[: len(records)]
    )
    assert records == motionshapes("train", len(records), records[0].path.parents[2])


@pytest.mark.slow
def test_a_killed_rendering_leaves_only_whole_videos_and_is_completed(tmp_path: Path, whole: dict[str, bytes]):
    kill_when(start("-c", RENDER, str(tmp_path), str(VIDEOS)), lambda: len(list(tmp_path.rglob("*.mp4"))) >= 3)
    left = {path.name: path.read_bytes() for path in tmp_path.rglob("*.mp4")}
    assert 3 <= len(left) < VIDEOS
    assert left.items() <= whole.items()
    check(motionshapes("train", VIDEOS, tmp_path), whole)


def test_processes_that_start_at_once_share_one_set(tmp_path: Path, whole: dict[str, bytes]):
    processes = [start("-c", RENDER, str(tmp_path), "10") for _ in range(3)]
    printed = {finish(process) for process in processes}
    records = motionshapes("train", 10, tmp_path)
    assert printed == {" ".join(record.sha256 for record in records) + "\n"}
    check(records, whole)
    indexed = [json.loads(line)["index"] for line in index_of(records).read_text().splitlines() if line]
    assert sorted(indexed) == list(range(10))


def index_of(records: list[VideoRecord]) -> Path:
    return records[0].path.parent / "index.jsonl"


def cut_index_line(records: list[VideoRecord]) -> None:
    os.truncate(index_of(records), index_of(records).stat().st_size - 20)


def delete_index(records: list[VideoRecord]) -> None:
    index_of(records).unlink()


def delete_video(records: list[VideoRecord]) -> None:
    records[3].path.unlink()


def truncate_video(records: list[VideoRecord]) -> None:
    os.truncate(records[3].path, 1000)


def empty_video(records: list[VideoRecord]) -> None:
    os.truncate(records[3].path, 0)


@pytest.mark.parametrize("damage", [cut_index_line, delete_index, delete_video, truncate_video, empty_video])
def test_damage_is_repaired_by_the_next_call(
    damage: Callable[[list[VideoRecord]], None], tmp_path: Path, whole: dict[str, bytes]
):
    records = motionshapes("train", 8, tmp_path)
    damage(records)
    assert motionshapes("train", 8, tmp_path) == records
    check(records, whole)


def test_a_part_that_another_process_takes_away_does_no_harm(tmp_path: Path):
    motionshapes("train", 2, tmp_path)
    (tmp_path / module.MOTIONSHAPES.version / "train" / "00002.part").symlink_to(tmp_path / "gone")
    assert len(motionshapes("train", 2, tmp_path)) == 2


def test_a_folder_that_cannot_be_written_is_read_and_what_it_lacks_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(*arguments: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    records = motionshapes("val", 3, tmp_path)
    monkeypatch.setattr(module, "FileLock", refused)  # permission bits would not stop root
    assert motionshapes("val", 3, tmp_path) == records
    with pytest.raises(CacheError, match=f"{tmp_path}.* not all of the 4 .*Permission denied.*ADA3D_CACHE") as caught:
        motionshapes("val", 4, tmp_path)
    assert isinstance(caught.value, Ada3DError)
    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(CacheError, match=r"nowhere.*Permission denied.*ADA3D_CACHE"):
        motionshapes("val", 1, tmp_path / "nowhere")


@pytest.mark.parametrize("below", ["", "a", "a/b"])
def test_a_file_in_the_place_of_the_cache_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ADA3D_CACHE", str(tmp_path / "file" / below))
    for use in (cache_folder, lambda: motionshapes("val", 1), lambda: load_index("videos", tmp_path, "val")):
        with pytest.raises(CacheError, match=f"{tmp_path}/file.*set ADA3D_CACHE"):
            use()


def test_a_full_disk_is_one_error_and_leaves_only_whole_videos(tmp_path: Path, whole: dict[str, bytes]):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
    process = start("-c", limit + RENDER, str(tmp_path), "5")
    told = process.communicate()[1].splitlines()[-1]
    assert "CacheError" in told and str(tmp_path) in told and "ADA3D_CACHE" in told
    check(motionshapes("train", 5, tmp_path), whole)
