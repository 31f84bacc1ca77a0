"""Looks are what the networks say of real videos, computed once."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ada3d_gym.errors import InputError
from ada3d_gym.masks import split_mask
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.networks.selection_file import load_selection
from ada3d_gym.untrimmed.looks import ClipLooks
from ada3d_gym.untrimmed.masks import Everything
from ada3d_gym.video import cache
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.records import VideoError, VideoRecord
from ada3d_gym.video.sampling import ClipSampler
from tests.untrimmed.conftest import PLACES, VIDEOS
from tests.video.damage import encode, overwrite

EVERYWHERE = np.repeat(np.arange(VIDEOS), PLACES), np.tile(np.arange(PLACES), VIDEOS)


def forbid(looks: ClipLooks, monkeypatch: pytest.MonkeyPatch) -> None:
    """No clip may be decoded or classified any more."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("computed anew")

    for source in (looks.clips, looks.whole):
        monkeypatch.setattr(source, "clips", refuse)
    monkeypatch.setattr(looks.classifier, "features", refuse)


def same(one: Any, other: Any) -> bool:
    return all(np.array_equal(*pair) for pair in zip(astuple(one), astuple(other), strict=True))


def test_a_look_is_what_the_networks_say_of_the_masked_clip(looks: ClipLooks, selection_file: Path):
    look = looks.at(*EVERYWHERE)
    ids = np.arange(VIDEOS * PLACES)
    selection, classifier = load_selection(selection_file), looks.classifier
    u, v = split_mask(looks.policy.act(looks.clips.observations(ids)), 8, 5)
    assert len(np.unique(np.concatenate([u, v], 1), axis=0)) > 8
    assert np.array_equal(look.frames, u.sum(1))
    assert np.array_equal(look.stages, v.sum(1))
    assert look.scores == pytest.approx(classifier.scores(looks.clips.clips(ids), u, v), abs=1e-5)
    head = classifier.network.head
    with torch.no_grad():
        assert look.scores == pytest.approx(head(torch.from_numpy(look.features)).softmax(1).numpy(), abs=1e-5)
    own = count_macs(selection, torch.zeros(1, 8, 3, 32, 32, dtype=torch.uint8))
    assert np.array_equal(look.macs, classifier.macs(u, v) + own)
    assert looks.whole_macs == classifier.macs.full(8)
    assert look.macs.max() <= looks.whole_macs + own


def test_places_are_evenly_spread_from_the_first_clip_to_the_last(looks: ClipLooks):
    starts = [looks.clips.frame_numbers(place, 32)[0] for place in range(PLACES)]
    assert starts == [0, 1, 2, 3]


def test_the_memory_is_the_backbones_features_of_the_whole_video(looks: ClipLooks, selection_file: Path):
    videos = np.array([3, 3, 0])
    trunk = load_selection(selection_file).trunk
    frames = torch.from_numpy(looks.whole.observations(videos))
    with torch.no_grad():
        expected = trunk.frames(frames).numpy()
    assert looks.memory(videos).shape == (3, *looks.memory_shape) == (3, 16, 32)
    assert looks.memory(videos) == pytest.approx(expected, abs=1e-4)
    assert looks.memory_macs == count_macs(trunk.frames, frames[:1])
    assert looks.whole.frame_numbers(0, 320).tolist() == list(range(10, 320, 20))


def test_what_is_known_is_not_computed_again(new_looks: Callable[..., ClipLooks], monkeypatch: pytest.MonkeyPatch):
    looks = new_looks()
    look, memory = looks.at(*EVERYWHERE), looks.memory(np.arange(VIDEOS))
    forbid(looks, monkeypatch)
    assert same(looks.at(*EVERYWHERE), look)
    some = np.array([5, 5, 2]), np.array([0, 0, 3])
    for one, other in zip(astuple(looks.at(*some)), astuple(look), strict=True):
        assert np.array_equal(one, other[some[0] * PLACES + some[1]])
    assert np.array_equal(looks.memory(np.array([7, 1])), memory[[7, 1]])
    assert list(looks.usable(np.arange(VIDEOS))) == list(range(VIDEOS))
    looks.fill()


def test_little_memory_computes_again_and_cannot_be_filled(new_looks: Callable[..., ClipLooks], looks: ClipLooks):
    small = new_looks(memory_bytes=20_000)
    for _ in range(2):
        for one, other in zip(astuple(small.at(*EVERYWHERE)), astuple(looks.at(*EVERYWHERE)), strict=True):
            assert one == pytest.approx(other, abs=1e-5)
    with pytest.raises(InputError, match="more than memory_bytes allows: give a folder"):
        small.fill()


def test_a_folder_is_read_by_later_looks_of_the_same_networks_alone(
    new_looks: Callable[..., ClipLooks], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    options = {"videos": 3, "folder": tmp_path}
    where = np.arange(3), np.arange(3)
    first = new_looks(**options)
    first.fill()
    look, memory = first.at(*where), first.memory(where[0])
    later = new_looks(**options)
    with monkeypatch.context() as patch:
        forbid(later, patch)
        later.fill()
        assert same(later.at(*where), look)
        assert np.array_equal(later.memory(where[0]), memory)
    everything = new_looks(**options, selection=None)
    assert (everything.at(*where).frames == 8).all()
    assert (everything.at(*where).stages == 5).all()
    with torch.no_grad():
        first.classifier.network.head.bias[0] += 99
    trained = new_looks(**options, classifier=first.classifier)
    assert (trained.at(*where).scores.argmax(1) == 0).all()


@pytest.mark.parametrize(("where", "said"), [((14, 0), "video 14: expected 0 to 13"), ((0, -1), "place -1: .* 0 to 3")])
def test_places_that_there_are_not(where: tuple[int, int], said: str, looks: ClipLooks):
    with pytest.raises(InputError, match=said):
        looks.at(*np.array(where)[:, None])


@pytest.fixture
def damaged(tmp_path: Path, looks: ClipLooks) -> ClipLooks:
    """Six videos of 100 frames: number 2 has lost some of its bytes to noise, and number 4 all."""
    for number in range(6):
        (tmp_path / f"{number}.mp4").write_bytes(b"junk" * 500 if number == 4 else encode(count=100, gop=10))
    overwrite(tmp_path / "2.mp4")
    records = [VideoRecord(tmp_path / f"{number}.mp4", (number,)) for number in range(6)]

    def of(sampler: ClipSampler, share: float | None = 0.5) -> VideoClips:
        return VideoClips(records, looks.class_names, sampler, observation_size=32, max_bad_share=share)

    clips, whole = of(ClipSampler(8, 2, 5, 32)), of(ClipSampler(16, 1, 1, 32, sampling="whole"))
    return ClipLooks(clips, whole, looks.classifier, Everything(13), load_trunk())


def load_trunk() -> Any:
    from ada3d_gym.building import build_feature_trunk

    return build_feature_trunk(8, 32)


def test_a_look_at_a_bad_clip_shows_the_nearest_good_one(damaged: ClipLooks):
    bad = list(damaged.clips.undecodable(np.arange(10, 15)))
    good = [clip for clip in range(10, 15) if clip not in bad]
    assert bad, "the damage does not show"
    assert good
    look = damaged.at(np.full(5, 2), np.arange(5))
    for place in range(5):
        nearest = min(good, key=lambda clip: (abs(clip - 10 - place), clip))
        assert np.array_equal(look.scores[place], look.scores[nearest - 10])
    assert len(np.unique(look.scores, axis=0)) == len(good)


def test_bad_videos_are_named_and_others_are_in_their_place(damaged: ClipLooks):
    videos = np.arange(6)
    assert set(damaged.undecodable(videos)) == {2, 4}
    usable = damaged.usable(videos)
    assert not {2, 4} & set(usable.tolist())
    assert np.array_equal(usable[[0, 1, 3, 5]], [0, 1, 3, 5])
    damaged.fill()
    damaged.memory(usable)
    with pytest.raises(VideoError, match=r"4\.mp4.*none of its 5 places is better"):
        damaged.at(np.array([4]), np.array([0]))


def test_a_folder_that_cannot_be_written_is_read_and_the_rest_kept_in_memory(
    new_looks: Callable[..., ClipLooks],
    looks: ClipLooks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    videos, places = np.repeat(np.arange(3), PLACES), np.tile(np.arange(PLACES), 3)
    new_looks(videos=3, folder=tmp_path).at(videos[:5], places[:5])

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(cache, "_write", refuse)
    partly = new_looks(videos=3, folder=tmp_path)
    first = partly.at(videos, places)
    partly.memory(np.arange(3))
    forbid(partly, monkeypatch)
    assert same(partly.at(videos, places), first)
    assert np.allclose(first.scores, looks.at(videos, places).scores, atol=1e-5)
    assert np.allclose(partly.memory(np.arange(3)), looks.memory(np.arange(3)), atol=1e-5)
    assert "looks cannot be cached (Read-only file system), so those that are not there are kept in mem" in caplog.text
    assert caplog.text.count("give a folder that can be written") == 2  # for looks and for memories


def test_places_of_random_clips_and_folders_without_a_name(looks: ClipLooks, tmp_path: Path):
    parts = looks.whole, looks.classifier, looks.policy, load_trunk()
    with pytest.raises(InputError, match="policy_name"):
        ClipLooks(looks.clips, *parts, folder=tmp_path)
    random = VideoClips(
        looks.clips.records, looks.class_names, ClipSampler(8, 1, 4, 32, random=True), observation_size=32
    )
    with pytest.raises(InputError, match="random clips have no places"):
        ClipLooks(random, *parts)
    same = VideoClips(
        looks.clips.records, looks.class_names, ClipSampler(8, 1, 4, 32, sampling="whole"), observation_size=32
    )
    with pytest.raises(InputError, match="the same at all places"):
        ClipLooks(same, *parts)
    with pytest.raises(InputError, match="56 clips, 4 a video, of 14 videos"):
        ClipLooks(looks.clips, looks.clips, *parts[1:])
