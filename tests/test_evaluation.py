"""Policies judged on a bandit whose every score is known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.evaluation import evaluate
from ada3d_gym.masks import ActionError
from ada3d_gym.video.records import VideoError
from tests.synthetic import TableClips, table_bandit

SCORES = [[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.1, 0.9]]  # a row a clip
POLICY = ["1100 11", "1100 00", "1100 11", "0011 11", "1111 11", "1100 11"]


@pytest.fixture
def known() -> ClipBandit:
    """Three videos of two clips each, labels 0, 1, 1; the first one's class shows in its first three frames."""
    source = TableClips(
        [(0,), (1,), (1,)],
        2,
        num_frames=4,
        views=2,
        families=["object", "scene", "scene"],
        visible=[[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]],
    )
    return table_bandit(source, lambda clip, u, v: SCORES[clip], 2)


def policy_of(bandit: ClipBandit, rows: list[str]):
    def act(observations: np.ndarray) -> np.ndarray:
        clips = observations[:, 0, 0, 0, 0] // bandit.source.spacing
        return np.array([[int(bit) for bit in rows[clip].replace(" ", "")] for clip in clips], np.int8)

    return act


@pytest.mark.parametrize("batch_size", [1, 4, 128])
def test_clip_scores_are_averaged_into_video_scores(known: ClipBandit, batch_size: int):
    result = evaluate(known, policy_of(known, POLICY), batch_size=batch_size)
    assert result.correct.tolist() == [True, False, False, True, False, True]
    assert result.top1 == pytest.approx(2 / 3)  # means: 0.65, 0.55 for class 0 where 1 is right, 0.65
    assert result.usage.clip_top1 == 0.5
    class_0 = 1.0  # 0.65, 0.55, 0.35: the positive comes first
    class_1 = (1 + 1) / 2  # 0.35, 0.45, 0.65: both positives come first
    assert result.map == pytest.approx((class_0 + class_1) / 2)


def test_average_precision_is_interpolated_where_asked_for():
    scores = [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.5, 0.5]]
    source = TableClips([(label,) for label in (1, 0, 1, 0, 0)], 2, num_frames=1)
    bandit = table_bandit(source, lambda clip, u, v: scores[clip], num_stages=1)

    def keep_all(observations: np.ndarray) -> np.ndarray:
        return np.ones((len(observations), 2), np.int8)

    plain, interpolated = (evaluate(bandit, keep_all, interpolated=choice).map for choice in (False, True))
    assert plain == pytest.approx(((1 / 2 + 2 / 4 + 3 / 5) / 3 + (1 / 3 + 2 / 5) / 2) / 2)
    assert interpolated == pytest.approx(((3 / 5 + 3 / 5 + 3 / 5) / 3 + (2 / 5 + 2 / 5) / 2) / 2)


def test_usage_is_averaged_over_all_clips_and_over_those_of_each_family(known: ClipBandit):
    result = evaluate(known, policy_of(known, POLICY))
    assert (result.usage.frames, result.usage.stages) == (pytest.approx(14 / 6), pytest.approx(10 / 6))
    assert result.usage.macs == pytest.approx(24 / 6)
    assert set(result.by_family) == {"object", "scene"}
    objects, scenes = result.by_family["object"], result.by_family["scene"]
    assert (objects.clip_top1, objects.frames, objects.stages, objects.macs) == (0.5, 2, 1, 3)
    assert (scenes.clip_top1, scenes.frames, scenes.stages, scenes.macs) == (0.5, 2.5, 2, 4.5)


def test_the_reward_is_what_the_bandit_pays_on_average(known: ClipBandit):
    result = evaluate(known, policy_of(known, POLICY), batch_size=4)
    assert result.reward == pytest.approx(known.pull(np.arange(6), result.u, result.v).reward.mean())


def test_masks_are_counted_and_returned_in_clip_order(known: ClipBandit):
    result = evaluate(known, policy_of(known, POLICY), batch_size=4)
    assert result.distinct_masks == 4
    assert ["".join(map(str, row.astype(int))) for row in result.u] == [row.split()[0] for row in POLICY]
    assert ["".join(map(str, row.astype(int))) for row in result.v] == [row.split()[1] for row in POLICY]


def test_the_visible_share_of_kept_frames_looks_at_partly_visible_clips_only(known: ClipBandit):
    rows = ["1101 11", "0001 11", *["0001 00"] * 4]
    result = evaluate(known, policy_of(known, rows))
    assert result.visible_kept == pytest.approx(2 / 4)
    assert result.visible_chance == pytest.approx(3 / 4)


def test_a_policy_that_keeps_no_frame_is_never_right(known: ClipBandit):
    result = evaluate(known, policy_of(known, ["0000 11"] * 6))
    assert result.top1 == result.usage.clip_top1 == result.usage.frames == 0
    assert result.distinct_masks == 1
    assert math.isnan(result.visible_kept)


def test_a_data_set_without_families_or_windows():
    source = TableClips([(0,), (1,)], 2, num_frames=4)
    bandit = table_bandit(source, lambda clip, u, v: SCORES[clip], 2)
    result = evaluate(bandit, policy_of(bandit, POLICY))
    assert result.by_family == {}
    assert math.isnan(result.visible_kept)
    assert math.isnan(result.visible_chance)


class DamagedClips(TableClips):
    """Some of its clips cannot be decoded."""

    bad: tuple[int, ...] = ()

    def undecodable(self, ids: np.ndarray) -> dict[int, VideoError]:
        return {
            clip: VideoError(f"{clip // 2}.mp4", f"has no clip {clip}") for clip in ids.tolist() if clip in self.bad
        }

    def usable(self, ids: np.ndarray) -> np.ndarray:
        return ids

    def clips(self, ids: np.ndarray) -> np.ndarray:
        for error in self.undecodable(ids).values():
            raise error
        return super().clips(ids)


@pytest.mark.parametrize("batch_size", [1, 2, 4, 128])
def test_clips_that_cannot_be_decoded_are_left_out_counted_and_named(batch_size: int):
    source = DamagedClips([(0,), (1,), (1,)], 2, num_frames=4, views=2)
    bandit = table_bandit(source, lambda clip, u, v: SCORES[clip], 2)
    act = policy_of(bandit, POLICY)
    assert evaluate(bandit, act, batch_size=batch_size).left_out.clips == 0
    source.bad = (1, 2, 3)
    result = evaluate(bandit, act, batch_size=batch_size)
    assert (result.left_out.clips, result.left_out.videos) == (3, 1)
    assert result.left_out.files == {"0.mp4": "has no clip 1", "1.mp4": "has no clip 2"}
    assert result.correct.tolist() == [True, False, True]
    assert result.top1 == 1  # 0.9 for the first, a mean of 0.65 for the last
    assert result.usage.frames == pytest.approx((2 + 4 + 2) / 3)
    assert result.u.shape == (3, 4)
    source.bad = tuple(range(6))
    with pytest.raises(VideoError, match="has no clip 0"):
        evaluate(bandit, act, batch_size=batch_size)


@pytest.mark.parametrize("masks", [np.ones((6, 5)), np.full((6, 6), 2), np.ones(6)])
def test_a_policy_with_wrong_masks_is_refused(known: ClipBandit, masks: np.ndarray):
    with pytest.raises((ActionError, ValueError), match="expected"):
        evaluate(known, lambda observations: masks)


def test_an_interrupted_evaluation_goes_on(known: ClipBandit, tmp_path: Path):
    whole = evaluate(known, policy_of(known, POLICY), batch_size=1)
    act, asked = policy_of(known, POLICY), list[int]()

    def interrupted(observations: np.ndarray) -> np.ndarray:
        if len(asked) == 4:
            raise KeyboardInterrupt
        asked.append(len(observations))
        return act(observations)

    folder = tmp_path / "so far"
    with pytest.raises(KeyboardInterrupt):
        evaluate(known, interrupted, batch_size=1, resume=folder)
    kept = sorted(folder.iterdir())
    assert len(kept) == 4
    kept[1].write_bytes(kept[1].read_bytes()[:-30])  # as a power cut may leave it
    asked.clear()
    again = evaluate(known, interrupted, batch_size=1, resume=folder)
    assert len(asked) == 3  # of six
    for name, value in vars(whole).items():
        np.testing.assert_equal(getattr(again, name), value)
    assert not folder.exists()


def test_what_was_judged_in_other_batches_is_judged_anew(known: ClipBandit, tmp_path: Path):
    def stop(observations: np.ndarray) -> np.ndarray:
        raise KeyboardInterrupt

    act = policy_of(known, POLICY)
    whole = evaluate(known, act)
    for size in (4, 3):
        calls = iter([act, stop])
        with pytest.raises(KeyboardInterrupt):
            evaluate(known, lambda shown, calls=calls: next(calls)(shown), batch_size=size, resume=tmp_path)
    assert evaluate(known, act, batch_size=2, resume=tmp_path).top1 == whole.top1


def test_an_evaluation_that_cannot_be_kept_is_made_all_the_same(known: ClipBandit, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match="cannot be written"):
        found = evaluate(known, policy_of(known, POLICY), batch_size=2, resume=tmp_path / "file" / "folder")
    assert len(found.correct) == 6
