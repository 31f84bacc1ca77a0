"""Clips of a user's own videos: the right frames, cached or not, and bad files on every way to them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ada3d_gym.datasets import motionshapes_clips
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.records import VideoError, VideoRecord
from ada3d_gym.video.sampling import ClipSampler
from tests.video.files import BAD_FILES, decode_with_pyav, video_file


def clips_of(records: list[VideoRecord], **changes: Any) -> VideoClips:
    options = {"num_frames": 4, "stride": 5, "views": 3, "size": 64, **changes}
    sampler = ClipSampler(**{key: options.pop(key) for key in list(options) if key in ClipSampler.__annotations__})
    return VideoClips(records, ("a", "b", "c"), sampler, **{"observation_size": 64, **options})


@pytest.fixture
def records(tmp_path: Path) -> list[VideoRecord]:
    return [replace(video_file(tmp_path / f"{i}.mp4", 40, seed=i), labels=(i % 3,)) for i in range(5)]


@pytest.mark.parametrize("cached", [False, True])
def test_a_clip_holds_its_frames_channels_first(records: list[VideoRecord], cached: bool, tmp_path: Path):
    clips = clips_of(records, cache=tmp_path / "cache" if cached else None)
    assert len(clips) == 15
    got = clips.clips(np.array([13, 0, 2, 13]))
    assert got.shape == (4, 4, 3, 64, 64)
    assert got.dtype == np.uint8
    for clip, video, start in ((got[0], 4, 12), (got[1], 0, 0), (got[2], 0, 24), (got[3], 4, 12)):
        frames = decode_with_pyav(records[video].path)[start : start + 16 : 5]
        assert np.array_equal(clip, frames.transpose(0, 3, 1, 2))


def test_the_policy_may_see_a_smaller_picture_of_the_same(records: list[VideoRecord]):
    clips = clips_of(records, size=32, observation_size=4)
    ids = np.arange(15)
    assert clips.clips(ids).shape == (15, 4, 3, 32, 32)
    small = clips.observations(ids)
    assert small.shape == (15, 4, 3, 4, 4)
    means = clips.clips(ids).reshape(15, 4, 3, 4, 8, 4, 8).mean((4, 6))
    assert np.corrcoef(small.ravel(), means.ravel())[0, 1] > 0.95


def test_full_size_is_the_file_as_it_is(records: list[VideoRecord]):
    clips = clips_of(records, size=32, observation_size=32)
    assert np.array_equal(clips.full_size(5), decode_with_pyav(records[1].path)[24:40:5])


def test_labels_targets_and_records_follow_the_ids(records: list[VideoRecord]):
    records[1] = replace(records[1], labels=(2, 0))
    clips = clips_of(records)
    ids = np.array([14, 3, 0])
    assert clips.labels(ids).tolist() == [1, 2, 0]
    assert clips.targets(ids).tolist() == [[False, True, False], [True, False, True], [True, False, False]]
    assert [clips.record(i) for i in ids.tolist()] == [records[4], records[1], records[0]]


def test_visible_frames_are_those_of_the_record_and_all_where_it_does_not_say(records: list[VideoRecord]):
    records[0] = replace(records[0], frames=40, visible=(5, 11))
    clips = clips_of(records)
    assert clips.visible_frames(np.array([0, 1, 2, 3])).tolist() == [
        [False, True, True, False],
        [False] * 4,
        [False] * 4,
        [True] * 4,
    ]


def test_cached_clips_of_files_with_known_checksums_need_no_file(records: list[VideoRecord], tmp_path: Path):
    records = [replace(r, sha256=hashlib.sha256(r.path.read_bytes()).hexdigest()) for r in records]
    before = clips_of(records, cache=tmp_path / "cache").clips(np.arange(15))
    for record in records:
        record.path.unlink()
    assert np.array_equal(clips_of(records, cache=tmp_path / "cache").clips(np.arange(15)), before)


def test_indexed_files_are_not_looked_up_at_the_start(
    records: list[VideoRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    about = [record.path.stat() for record in records]
    indexed = [replace(r, size=each.st_size, changed=each.st_mtime_ns) for r, each in zip(records, about, strict=True)]
    before = clips_of(records, cache=tmp_path / "cache").clips(np.arange(15))
    looked_up: list[Path] = []
    original = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **options: looked_up.append(path) or original(path, **options))
    clips = clips_of(indexed, cache=tmp_path / "cache")
    assert np.array_equal(clips.clips(np.arange(15)), before)  # from the cache, whose key is the same
    assert looked_up and not [path for path in looked_up if path.suffix == ".mp4"]


def test_filling_the_cache_decodes_everything(records: list[VideoRecord], tmp_path: Path):
    clips = clips_of(records, cache=tmp_path / "cache")
    clips.fill_cache("decoding")
    for record in records:
        record.path.unlink()
    assert np.array_equal(clips.clips(np.arange(15))[3:4], clips.clips(np.array([3])))
    assert clips.clips(np.arange(15)).any((1, 2, 3, 4)).all()


@pytest.mark.parametrize("change", [{"stride": 3}, {"views": 2}, {"num_frames": 3}, {"size": 32}, {"key": {"x": 1}}])
def test_other_clips_do_not_share_a_cache(records: list[VideoRecord], tmp_path: Path, change: dict[str, Any]):
    clips_of(records, cache=tmp_path / "cache").fill_cache("decoding")
    ids = np.arange(5)
    other = clips_of(records, cache=tmp_path / "cache", **change)
    assert np.array_equal(other.clips(ids), clips_of(records, **change).clips(ids))


def test_other_videos_of_the_same_names_do_not_share_a_cache(tmp_path: Path):
    def load(folder: str, seed: int) -> np.ndarray:
        (tmp_path / folder).mkdir()
        record = video_file(tmp_path / folder / "a.mp4", seed=seed)
        return clips_of([record], cache=tmp_path / "cache").clips(np.array([0]))

    assert not np.array_equal(load("one", 1), load("two", 2))


@pytest.mark.parametrize("kind", BAD_FILES)
@pytest.mark.parametrize("cached", [False, True])
def test_a_bad_file_is_named_and_the_good_ones_stay_usable(
    records: list[VideoRecord], tmp_path: Path, kind: str, cached: bool
):
    records[2].path.unlink()
    BAD_FILES[kind](records[2].path)
    clips = clips_of(records, cache=tmp_path / "cache" if cached else None, remedy="download it again")
    for _ in range(2):
        with pytest.raises(VideoError) as caught:
            clips.clips(np.arange(15))
        assert caught.value.path == records[2].path
        assert str(caught.value).endswith("; download it again")
    good = np.array([0, 1, 2, 3, 12, 14])
    assert clips.clips(good).any((1, 2, 3, 4)).all()
    with pytest.raises(VideoError):
        clips.full_size(7)


def test_a_file_whose_checksum_is_wrong_is_found_though_it_could_be_decoded(tmp_path: Path):
    good, other = video_file(tmp_path / "good.mp4", seed=1), video_file(tmp_path / "other.mp4", seed=2)
    digest = "0" * 64
    with pytest.raises(VideoError, match=r"other\.mp4: does not match the checksum"):
        clips_of([good, replace(other, sha256=digest)]).clips(np.array([0, 3]))


def test_silent_damage_to_a_rendered_video_is_found_and_the_message_helps(tmp_path: Path, monkeypatch: Any):
    monkeypatch.setenv("ADA3D_CACHE", str(tmp_path))
    clips = motionshapes_clips("test", videos=3)
    path = clips.record(5).path
    content = bytearray(path.read_bytes())
    content[-200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(
        VideoError, match=f"{path}: does not match the checksum.*delete it: the next run renders it again"
    ):
        clips.clips(np.arange(len(clips)))
    os.remove(path)
    again = motionshapes_clips("test", videos=3)
    assert again.clips(np.arange(len(again))).any((1, 2, 3, 4)).all()


def test_a_random_clip_looks_the_same_whichever_it_is_decoded_with(records: list[VideoRecord]):
    height, width = decode_with_pyav(records[0].path).shape[1:3]
    known = [replace(record, width=width, height=height) for record in records]
    options = {"views": 6, "size": 24, "short_side": (26, 44), "random": True, "observation_size": 24}
    together = clips_of(known, **options).clips(np.arange(6))
    for clip in range(6):
        assert np.array_equal(clips_of(known, **options).clips(np.array([clip]))[0], together[clip])
