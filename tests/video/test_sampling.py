"""Which frames make up a clip."""

from __future__ import annotations

import pytest

from ada3d_gym.video.sampling import clip_frames


def test_starts_are_spread_from_the_first_frame_to_the_last():
    starts = [clip_frames(100, 4, 10, view, 4).tolist() for view in range(4)]
    assert starts == [[0, 10, 20, 30], [23, 33, 43, 53], [46, 56, 66, 76], [69, 79, 89, 99]]


def test_one_view_is_the_middle():
    assert clip_frames(11, 3, 2, 0, 1).tolist() == [3, 5, 7]


def test_a_video_as_long_as_a_clip_has_one_start():
    assert {tuple(clip_frames(7, 3, 3, view, 5)) for view in range(5)} == {(0, 3, 6)}


@pytest.mark.parametrize("view", [0, 4])
def test_a_short_video_is_padded_with_its_last_frame(view: int):
    assert clip_frames(4, 4, 2, view, 5).tolist() == [0, 2, 3, 3]
    assert clip_frames(1, 3, 8, view, 5).tolist() == [0, 0, 0]
