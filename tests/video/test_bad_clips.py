"""A clip that cannot be decoded costs a training that clip and no more, until there are too many of them."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ada3d_gym.agents.progress import epoch_batches
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.datasets import video_clips
from ada3d_gym.rewards import MaskReward
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.decoders.decord_reader import DecordReader
from ada3d_gym.video.decoders.pyav_reader import PyAVReader
from ada3d_gym.video.records import VideoError, VideoRecord
from ada3d_gym.video.sampling import ClipSampler
from tests.video.damage import encode, overwrite
from tests.video.files import video_file

VIEWS = 20
HURT, VIDEOS = 2, 6  # the damaged video, and how many there are


@pytest.fixture
def records(tmp_path: Path) -> list[VideoRecord]:
    """Videos of which one lost a twentieth of its bytes to noise."""
    for number in range(VIDEOS):
        (tmp_path / f"{number}.mp4").write_bytes(encode(count=100, gop=10))
    overwrite(tmp_path / f"{HURT}.mp4")
    return [VideoRecord(tmp_path / f"{number}.mp4", (number,)) for number in range(VIDEOS)]


def clips_of(records: list[VideoRecord], **options: Any) -> VideoClips:
    sampler = ClipSampler(4, 5, VIEWS, 32)
    return VideoClips(
        records, list(map(str, range(VIDEOS))), sampler, observation_size=32, **{"max_bad_share": 0.01, **options}
    )


@pytest.fixture
def clips(records: list[VideoRecord]) -> Iterator[VideoClips]:
    clips = clips_of(records)
    yield clips
    clips.close()


def bad_of(clips: VideoClips) -> list[int]:
    """One by one, without what deals with bad clips."""

    def decodes(clip: int) -> bool:
        try:
            clips.clips(np.array([clip]))
        except VideoError:
            return False
        return True

    return [clip for clip in range(HURT * VIEWS, (HURT + 1) * VIEWS) if not decodes(clip)]


def test_bad_clips_are_found_though_their_video_has_good_ones(clips: VideoClips):
    bad = bad_of(clips)
    assert 0 < len(bad) < VIEWS
    assert sorted(clips.undecodable(np.arange(len(clips)))) == bad
    good = np.setdiff1d(np.arange(len(clips)), bad)
    assert np.array_equal(clips.usable(good), good)
    with pytest.raises(VideoError, match=rf"{HURT}\.mp4"):
        clips.clips(np.array([0, bad[0]]))


def test_a_bad_clip_has_the_same_stand_in_whoever_asks_and_whenever(clips: VideoClips, records: list[VideoRecord]):
    everything = np.arange(len(clips))
    chosen = clips.usable(everything)
    bad = bad_of(clips)
    assert np.flatnonzero(chosen != everything).tolist() == bad
    assert not set(chosen.tolist()) & set(bad)
    assert set(chosen[bad] // VIEWS) <= {HURT, HURT + 1}
    copy = pickle.loads(pickle.dumps(clips))
    assert np.array_equal(copy.usable(everything), chosen)
    copy.close()
    other = clips_of(records, ahead_bytes=1)
    assert other.usable(np.array(bad[::-1])).tolist() == chosen[bad][::-1].tolist()
    other.close()


def test_a_file_is_named_once_with_its_clip_and_cause(clips: VideoClips, caplog: pytest.LogCaptureFixture):
    for _ in range(2):
        clips.usable(np.arange(len(clips)))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"{HURT}.mp4: " in record.message and f"clip {bad_of(clips)[0]} " in record.message
    assert "cannot be" in record.message and "(Invalid data" in record.message and "\n" not in record.message


def test_draws_and_batches_hold_good_clips_alone(clips: VideoClips):
    bad = set(bad_of(clips))
    bandit = ClipBandit(clips, _AnyScores(), MaskReward(), order="iid")
    bandit.seed(0)
    everything = np.random.default_rng(0).permutation(len(clips))
    batches = [batch for _, _, batch in epoch_batches(clips, everything, 16, "test", 0, 1)]
    drawn = [bandit.draw(10) for _ in range(30)]
    for ids in (*batches, *drawn):
        assert not bad & set(ids.tolist())
        assert bandit.observer(ids).shape[0] == len(ids)
        outcome = bandit.pull(ids, np.ones((len(ids), 4), bool), np.ones((len(ids), 1), bool))
        assert outcome.label.tolist() == (ids // VIEWS).tolist()
    assert sum(map(len, batches)) == len(clips)


class _AnyScores:
    stage_names = ("all",)

    def scores(self, clips: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.full((len(clips), VIDEOS), 1 / VIDEOS, np.float32)

    def macs(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.ones(len(u), np.int64)


def test_filling_the_cache_goes_on_past_bad_clips(records: list[VideoRecord], tmp_path: Path):
    clips = clips_of(records, cache=tmp_path / "cache")
    clips.fill_cache("decoding")
    good = np.setdiff1d(np.arange(len(clips)), list(clips.undecodable(np.arange(len(clips)))))
    expected = clips_of(records).clips(good)
    for record in records:
        record.path.rename(record.path.with_suffix(".gone"))
    assert np.array_equal(clips.clips(good), expected)


def lose(records: list[VideoRecord], numbers: list[int]) -> None:
    for number in numbers:
        records[number].path.unlink()


@pytest.mark.parametrize(("share", "lost", "told"), [(0.0, [2], "1 of 6"), (0.01, [0, 1, 4], "4 of 6")])
def test_beyond_a_share_it_stops_with_one_error(records: list[VideoRecord], share: float, lost: list[int], told: str):
    lose(records, lost)
    clips = clips_of(records, max_bad_share=share)
    with pytest.raises(VideoError, match=rf"Clips of {told} videos cannot be decoded, and max_bad_share={share:g}"):
        clips.usable(np.arange(len(clips)))
    assert clips_of(records, max_bad_share=0.9).usable(np.arange(len(clips))).shape == (len(clips),)


def test_where_nothing_is_left_to_take_a_clips_place_it_stops_too(records: list[VideoRecord]):
    lose(records, list(range(VIDEOS)))
    with pytest.raises(VideoError, match=r"missing.*tried in its place can be decoded either"):
        clips_of(records, max_bad_share=1.0).usable(np.array([5]))


def test_strict_sources_raise_at_once(records: list[VideoRecord]):
    clips = clips_of(records, max_bad_share=None)
    everything = np.arange(len(clips))
    assert np.array_equal(clips.usable(everything), everything)
    assert clips.undecodable(everything) == {}
    with pytest.raises(VideoError, match=rf"{HURT}\.mp4"):
        clips.clips(everything)


def test_the_data_sets_bear_bad_clips_unless_told_to_be_strict(sets: Path, tmp_path: Path):
    options = {"data_root": sets / "videos", "size": 32, "views": 4}
    with pytest.raises(ValueError, match=r"max_bad_share=2: expected a share"):
        video_clips("videos", "train", max_bad_share=2, **options)
    for strict in (False, True):
        clips = video_clips("videos", "train", strict=strict, **options)
        first = replace(clips.records[0], path=video_file(tmp_path / "x.mp4").path)
        clips = clips.but(records=[first, *clips.records[1:]])
        assert len(clips.undecodable(np.arange(8))) == (0 if strict else 4)


@pytest.mark.parametrize("size", [(64, 64), (46, 46), (37, 41), (96, 80)])
def test_it_does_not_show_which_decoder_read_a_clip(tmp_path: Path, size: tuple[int, int]):
    """Before damage, decord may or may not fail: that depends on how far ahead it is. PyAV then reads the same."""
    path = video_file(tmp_path / "a.mp4").path
    numbers = [0, 7, 39]
    assert np.array_equal(DecordReader(path, size).read(numbers), PyAVReader(path, size).read(numbers))
