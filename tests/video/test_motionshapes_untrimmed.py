"""Untrimmed MotionShapes is what it claims: the class in one part, and in the rest nothing that tells of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ada3d_gym.building import build_bandit, build_clips
from ada3d_gym.datasets import count_videos
from ada3d_gym.networks.selection import greedy
from ada3d_gym.networks.selection_file import load_selection
from ada3d_gym.shipped import UNTRIMMED_CLASSIFIER, UNTRIMMED_SELECTION
from ada3d_gym.video.decoders.video import Video
from ada3d_gym.video.motionshapes import UNTRIMMED
from ada3d_gym.video.motionshapes.drawing import CLASSES, FAMILIES, SLOT
from ada3d_gym.video.motionshapes.pieces import SIZE
from ada3d_gym.video.motionshapes.untrimmed import EVENT, FRAMES, PERIOD, draw_untrimmed
from ada3d_gym.video.records import VideoRecord

SPAN = {8: 29, 16: 31}  # frames from a clip's first to its last


@pytest.fixture(scope="module")
def records(cache_folder: Path) -> list[VideoRecord]:
    return UNTRIMMED.records("test", 14)


def test_videos_of_all_classes_are_the_same_outside_their_event():
    """So nothing there can tell a class: not even their noise differs."""
    drawings = [draw_untrimmed(label, np.random.default_rng(3)) for label in range(len(CLASSES))]
    (event,) = {drawing.visible for drawing in drawings}
    inside = np.zeros(FRAMES, np.bool_)
    inside[slice(*event)] = True
    for drawing in drawings[1:]:
        assert np.array_equal(drawing.frames[~inside], drawings[0].frames[~inside])
        differs = (drawing.frames != drawings[0].frames).any((1, 2, 3))
        assert differs[inside].any() and not differs[~inside].any()


def test_events_are_of_any_length_and_at_any_place():
    events = np.array([draw_untrimmed(9, np.random.default_rng(seed)).visible for seed in range(40)])
    lengths = events[:, 1] - events[:, 0]
    assert EVENT[0] <= lengths.min() < lengths.max() <= EVENT[1] < 0.3 * FRAMES
    assert events.min() < FRAMES / 8 and events.max() > FRAMES * 7 / 8
    assert len(set((events[:, 0] % SLOT).tolist())) == SLOT  # no grid


def test_a_motion_moves_in_its_event_and_a_dumbbell_elsewhere_rests(records: list[VideoRecord]):
    """Between frames that are a motion's step apart, the event's pixels change and most others do not."""
    for record in records[8:]:
        frames = Video(record.path).read(range(FRAMES)).astype(float)
        change = np.abs(frames[4:] - frames[:-4]).mean((1, 2, 3))
        first, end = record.visible or (0, 0)
        assert change[first : end - 4].mean() > 1.5 * np.median(np.delete(change, range(max(0, first - 4), end)))


@pytest.mark.parametrize("num_frames", SPAN)
def test_every_clip_in_an_event_shows_the_class_and_of_an_object_every_third_frame(num_frames: int):
    clips = build_clips("motionshapes-untrimmed", split="test", num_frames=num_frames, videos=28)
    ids = np.arange(len(clips))
    visible = clips.visible_frames(ids)
    for clip, shown in zip(ids.tolist(), visible, strict=True):
        record = clips.record(clip)
        numbers = clips.frame_numbers(clip, FRAMES)
        first, end = record.visible or (0, 0)
        wholly = first <= numbers[0] and numbers[-1] < end
        if record.family == "object":
            assert (num_frames // 4 <= shown.sum() <= num_frames * 3 // 8) or not wholly
        else:
            assert shown.all() or not wholly
        assert not shown.any() or (numbers[-1] >= first and numbers[0] < end)
    per_video = visible.all(1).reshape(28, -1).sum(1)
    assert (per_video[np.array([record.family != "object" for record in clips.records])] >= 1).all()


def test_an_objects_windows_lie_in_its_event(records: list[VideoRecord]):
    for record in records:
        first, end = record.visible or (0, 0)
        assert bool(record.windows) is (record.family == "object")
        shown = record.shows_class(np.arange(FRAMES))
        assert not shown[:first].any() and not shown[end:].any()
        if record.family == "object":
            assert shown.sum() == pytest.approx((end - first) * SLOT / PERIOD, abs=SLOT)
        else:
            assert shown[first:end].all()


def test_records_say_what_is_in_the_files(records: list[VideoRecord]):
    assert [CLASSES[record.labels[0]] for record in records] == list(CLASSES)
    for record in records:
        assert record.family == FAMILIES[record.labels[0]]
        assert record.frames == FRAMES == len(Video(record.path))
        assert Video(record.path).read([FRAMES - 1]).shape == (1, SIZE, SIZE, 3)


def test_the_same_bytes_in_every_folder_and_a_smaller_set_is_a_prefix(tmp_path: Path, records: list[VideoRecord]):
    small = UNTRIMMED.records("test", 2, tmp_path)
    written = [record.path.stat().st_mtime_ns for record in small]
    large = UNTRIMMED.records("test", 3, tmp_path)
    assert large[:2] == small and [record.path.stat().st_mtime_ns for record in small] == written
    for here, there in zip(large, records, strict=False):
        assert here.path.read_bytes() == there.path.read_bytes()


@pytest.mark.parametrize("split", UNTRIMMED.splits)
def test_splits_are_whole_rounds_of_the_classes(split: str):
    assert count_videos("motionshapes-untrimmed", split) == UNTRIMMED.splits[split]
    assert UNTRIMMED.splits[split] % len(CLASSES) == 0


@pytest.mark.parametrize("dataset", ["motionshapes", "motionshapes-untrimmed"])
@pytest.mark.parametrize("num_frames", [3, 16])
def test_a_memory_is_frames_from_all_over_the_video(dataset: str, num_frames: int):
    clips = build_clips(dataset, split="test", sampling="whole", num_frames=num_frames, videos=2)
    frames = clips.records[0].frames
    assert len(clips) == 2
    numbers = clips.frame_numbers(1, frames)
    assert numbers.tolist() == [int(frames * (i + 0.5) / num_frames) for i in range(num_frames)]
    expected = Video(clips.records[1].path).read(numbers)
    assert np.array_equal(clips.full_size(1), expected)
    shown: NDArray[np.uint8] = clips.clips(np.array([1]))
    small = expected.reshape(num_frames, 32, 2, 32, 2, 3).mean((2, 4)).transpose(0, 3, 1, 2)
    assert np.abs(shown[0] - small).mean() < 8  # a smoother way to halve them


def test_the_classifier_for_it_is_found_by_the_data_sets_name():
    env = build_bandit(dataset="motionshapes-untrimmed", split="test", videos=2)
    named = build_bandit(dataset="motionshapes-untrimmed", split="test", videos=2, checkpoint=UNTRIMMED_CLASSIFIER)
    assert env.source.views == 16
    clips, masks = env.source.clips(np.arange(4)), (np.ones((4, 8), np.bool_), np.ones((4, 5), np.bool_))
    assert np.array_equal(env.classifier.scores(clips, *masks), named.classifier.scores(clips, *masks))


def test_the_selection_network_for_it_fits_its_clips_and_classifier():
    bandit = build_bandit(dataset="motionshapes-untrimmed", split="test", videos=2)
    names = bandit.classifier.stage_names
    selection = load_selection(UNTRIMMED_SELECTION, num_frames=8, stage_names=names, side=bandit.source.size)
    u, v = greedy(selection(torch.from_numpy(bandit.source.observations(np.arange(4)))))
    assert u.shape == (4, 8) and v.shape == (4, 5) and u.any(1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "dev"}, "unknown untrimmed MotionShapes split 'dev'"),
        ({"num_frames": 9}, "num_frames=9.*8 or 16"),
        ({"sampling": "pyslowfast"}, "sampling='pyslowfast'.*strided or whole"),
        ({"videos": 421, "split": "test"}, "videos=421 is outside 1 to 420, the videos of motionshapes-untrimmed"),
        ({"name": "x"}, "unknown argument for motionshapes-untrimmed: name"),
    ],
)
def test_what_it_does_not_have_is_refused(options: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        build_clips("motionshapes-untrimmed", **options)
