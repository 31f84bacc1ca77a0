"""The rendered data set: reproducible, complete, true to its records."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ada3d_gym.datasets import motionshapes_clips
from ada3d_gym.video.decoders.video import Video
from ada3d_gym.video.motionshapes.drawing import CLASSES, FAMILIES, FRAMES
from ada3d_gym.video.motionshapes.files import SPLITS, motionshapes
from ada3d_gym.video.motionshapes.pieces import SIZE
from ada3d_gym.video.records import VideoRecord
from tests.processes import run

RENDER = (
    "import pathlib, sys; from ada3d_gym.video.motionshapes import motionshapes as m; m('val', 14, pathlib.Path({}))"
)


def content(records: list[VideoRecord]) -> dict[str, bytes]:
    return {record.path.name: record.path.read_bytes() for record in records}


def test_the_same_bytes_in_every_folder_and_process(tmp_path: Path):
    default = motionshapes("val", 14)
    here = motionshapes("val", 14, tmp_path / "here")
    run("-c", RENDER.format(repr(str(tmp_path / "there"))))
    there = motionshapes("val", 14, tmp_path / "there")
    assert len(content(default)) == 14
    assert content(default) == content(here) == content(there)
    assert [r.sha256 for r in default] == [r.sha256 for r in here] == [r.sha256 for r in there]


def test_a_smaller_set_is_a_prefix_and_growing_renders_only_what_is_new(tmp_path: Path):
    small = motionshapes("val", 5, tmp_path)
    written = [record.path.stat().st_mtime_ns for record in small]
    large = motionshapes("val", 9, tmp_path)
    assert large[:5] == small
    assert [record.path.stat().st_mtime_ns for record in small] == written
    assert large == motionshapes("val", 9, tmp_path)


@pytest.mark.parametrize("split", SPLITS)
def test_records_say_what_is_in_the_files(split: str):
    records = motionshapes(split, 14)
    assert [CLASSES[r.labels[0]] for r in records] == list(CLASSES)
    for record in records:
        assert record.path.suffix == ".mp4"
        assert hashlib.sha256(record.path.read_bytes()).hexdigest() == record.sha256
        assert len(record.labels) == 1
        assert record.family == FAMILIES[record.labels[0]]
        assert record.frames == FRAMES == len(Video(record.path))
        assert Video(record.path).read([0]).shape == (1, SIZE, SIZE, 3)
        first, end = record.visible or (-1, -1)
        assert 0 <= first < end <= FRAMES
        assert (end - first == FRAMES) is (record.family != "object")
        assert (record.speed != "") is (record.family == "motion")


def test_splits_share_no_video():
    digests = Counter(record.sha256 for split in SPLITS for record in motionshapes(split, 14))
    assert len(digests) == 3 * 14


def test_objects_appear_and_vanish_in_the_decoded_pixels_where_the_record_says():
    records = [record for record in motionshapes("test", 70) if record.family == "object"]
    assert len(records) == 20
    for record in records:
        frames = Video(record.path).read(range(FRAMES)).astype(float)
        blocks = frames.reshape(FRAMES, SIZE // 4, 4, SIZE // 4, 4, 3).mean((2, 4))
        jumps = np.square(np.diff(blocks, axis=0)).sum((1, 2, 3))
        changes = set(record.visible or ()) - {0, FRAMES}
        assert changes
        assert set(np.argsort(jumps)[-len(changes) :] + 1) == changes


@pytest.mark.parametrize(("num_frames", "views"), [(8, 1), (8, 4), (8, 5), (8, 10), (16, 5)])
def test_all_clips_of_an_object_show_it_in_the_same_eighth_and_nowhere_else(num_frames: int, views: int):
    clips = motionshapes_clips("test", num_frames=num_frames, views=views, videos=70)
    ids = np.arange(len(clips))
    visible = clips.visible_frames(ids)
    shown = visible.sum(1)
    objects = np.array([clips.record(i).family == "object" for i in ids])
    assert objects.sum() == 20 * views
    assert (shown[objects] == num_frames // 8).all()
    by_video = visible[objects].reshape(20, views, num_frames)
    assert (by_video == by_video[:, :1]).all()
    assert (shown[~objects] == num_frames).all()


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match=r"'dev'.*train, val, test"):
        motionshapes("dev")


@pytest.mark.parametrize("limit", [0, -1, SPLITS["val"] + 1])
def test_a_limit_that_the_split_does_not_have_is_refused(limit: int):
    with pytest.raises(ValueError, match=f"limit={limit} is outside 1 to {SPLITS['val']}.*'val'"):
        motionshapes("val", limit)


@pytest.mark.parametrize("num_frames", [0, 7, 32])
def test_clips_come_in_the_lengths_that_the_set_offers(num_frames: int):
    with pytest.raises(ValueError, match=f"num_frames={num_frames}.*(8 or 16|at least 1)"):
        motionshapes_clips("test", num_frames=num_frames, videos=1)


@pytest.mark.parametrize("views", [0, -1])
def test_views_must_be_at_least_one(views: int):
    with pytest.raises(ValueError, match=f"views={views}"):
        motionshapes_clips("test", views=views, videos=1)
