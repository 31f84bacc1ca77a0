"""Rendering survives what happens to processes and folders."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ada3d_gym.video.motionshapes import motionshapes
from ada3d_gym.video.records import VideoRecord
from tests.processes import finish, kill_when, start

VIDEOS = 56
RENDER = """
import pathlib, sys
from ada3d_gym.video.motionshapes import motionshapes
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
    processes = [start("-c", RENDER, str(tmp_path), "28") for _ in range(3)]
    printed = {finish(process) for process in processes}
    records = motionshapes("train", 28, tmp_path)
    assert printed == {" ".join(record.sha256 for record in records) + "\n"}
    check(records, whole)
    indexed = [json.loads(line)["index"] for line in index_of(records).read_text().splitlines() if line]
    assert sorted(indexed) == list(range(28))


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
    (tmp_path / "motionshapes-v1" / "train" / "00002.part").symlink_to(tmp_path / "gone")
    assert len(motionshapes("train", 2, tmp_path)) == 2
