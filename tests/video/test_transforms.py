"""Frames come out square and in proportion."""

from __future__ import annotations

import pytest
import torch

from ada3d_gym.video.transforms import resize_and_crop


def picture(height: int, width: int) -> torch.Tensor:
    """(3, H, W): brightness rises to the right, from 0 to 200."""
    return torch.linspace(0, 200, width).round().to(torch.uint8).expand(2, 3, height, width)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 96), (96, 48), (33, 57), (32, 40), (16, 20)])
def test_any_shape_becomes_the_square(height: int, width: int):
    got = resize_and_crop(picture(height, width), 32)
    assert got.shape == (2, 3, 32, 32)
    assert got.dtype == torch.uint8


def test_the_short_side_fits_and_the_long_side_is_cropped_at_the_centre():
    middle_half = picture(64, 128)[..., 32:96]
    expected = resize_and_crop(middle_half, 32)
    got = resize_and_crop(picture(64, 128), 32)
    assert (got.int() - expected.int()).abs().max() <= 2


def test_the_right_size_is_left_alone():
    frames = picture(32, 32)
    assert torch.equal(resize_and_crop(frames, 32), frames)


def test_making_smaller_averages_rather_than_skips():
    checkerboard = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 200
    got = resize_and_crop(checkerboard.to(torch.uint8).expand(3, 64, 64), 16)
    assert (got.int() - 100).abs().float().mean() < 10
