"""Which frames make up a clip."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ada3d_gym.errors import InputError
from ada3d_gym.video.sampling import ClipSampler


def clip_frames(video_frames: int, num_frames: int, stride: int, view: int, views: int) -> np.ndarray:
    return ClipSampler(num_frames, stride, views, 32).frame_numbers(0, view, video_frames)


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


def test_pyslowfasts_numbers():
    sampler = ClipSampler(8, 8, 10, 256, sampling="pyslowfast")
    assert sampler.frame_numbers(0, 0, 300, 30).tolist() == [0, 9, 18, 27, 36, 45, 54, 63]
    assert sampler.frame_numbers(0, 5, 300, 30).tolist() == [118, 127, 136, 145, 154, 163, 172, 181]
    assert sampler.frame_numbers(0, 0, 300, 60).tolist() == [0, 18, 36, 54, 72, 90, 108, 127]
    assert sampler.frame_numbers(0, 9, 20, 30).tolist() == [0, 9, 18, 19, 19, 19, 19, 19]
    alone = ClipSampler(8, 8, 1, 256, sampling="pyslowfast")
    assert alone.frame_numbers(0, 0, 300, 30).tolist() == sampler.frame_numbers(0, 5, 300, 30).tolist()  # the middle


@pytest.mark.parametrize("sampling", ["strided", "pyslowfast"])
def test_random_clips_start_anywhere_and_come_back_by_seed(sampling):
    def starts(seed: int) -> list[int]:
        sampler = ClipSampler(8, 8, 500, 32, random=True, sampling=sampling, seed=seed)
        return [int(sampler.frame_numbers(3, view, 100, 30)[0]) for view in range(500)]

    assert starts(0) == starts(0) != starts(1)
    last = 100 - (57 if sampling == "strided" else 64)
    assert set(starts(0)) >= set(range(last)) and max(starts(0)) <= last


def test_the_centre_square_for_testing_and_any_for_training():
    frames = torch.arange(40 * 60).view(1, 1, 40, 60).expand(2, 3, 40, 60).float()
    centre = ClipSampler(2, 1, 1, 32, (40, 40)).square(frames, 0, 0)
    assert torch.equal(centre, frames[..., 4:36, 14:46])
    sampler = ClipSampler(2, 1, 100, 32, (36, 48), random=True, flip=True)
    scales = [sampler.scale(0, view) for view in range(100)]
    assert (min(scales), max(scales)) == (36, 48)
    squares = [sampler.square(frames, 0, view) for view in range(100)]
    assert {tuple(square.shape) for square in squares} == {(2, 3, 32, 32)}
    rising = [bool((square[0, 0, 0].diff() > 0).all()) for square in squares]
    assert 25 < sum(rising) < 75  # the others are mirrored
    assert all(torch.equal(square[0], square[1]) for square in squares)
    assert torch.equal(squares[5], sampler.square(frames, 0, 5))
    unflipped = ClipSampler(2, 1, 100, 32, (36, 48), random=True)
    assert all((unflipped.square(frames, 0, view)[0, 0, 0].diff() > 0).all() for view in range(100))


def test_an_unknown_sampling_is_refused():
    said = r"unknown sampling 'stridden': expected one of strided, pyslowfast, whole; did you mean strided\?"
    with pytest.raises(InputError, match=said):
        ClipSampler(8, 8, 10, 256, sampling="stridden")  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_taken_as_30(rate: float):
    sampler = ClipSampler(8, 8, 10, 256, sampling="pyslowfast")
    assert sampler.frame_numbers(0, 0, 300, rate).tolist() == [0, 9, 18, 27, 36, 45, 54, 63]


def test_frames_never_go_backwards_however_low_the_rate():
    assert (np.diff(ClipSampler(4, 8, 2, 32, sampling="pyslowfast").frame_numbers(0, 1, 300, 0.1)) >= 0).all()


@pytest.mark.parametrize("stride", [1, 8])
def test_whole_clips_are_the_middles_of_equal_parts_whatever_the_stride(stride: int):
    sampler = ClipSampler(4, stride, 3, 32, sampling="whole")
    assert {tuple(sampler.frame_numbers(5, view, 80)) for view in range(3)} == {(10, 30, 50, 70)}
    assert sampler.frame_numbers(0, 0, 4).tolist() == [0, 1, 2, 3]
    assert sampler.frame_numbers(0, 0, 2).tolist() == [0, 0, 1, 1]
    assert sampler.frame_numbers(0, 0, 1).tolist() == [0, 0, 0, 0]
