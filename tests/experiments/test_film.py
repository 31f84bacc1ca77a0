"""The moving picture of a policy that learns."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.film import film


def test_it_has_a_picture_before_the_first_epoch_and_after_each(tmp_path: Path):
    film(output=tmp_path / "learning.gif", epochs=2, videos=28, clips=3, tested=28)
    with Image.open(tmp_path / "learning.gif") as picture:
        assert getattr(picture, "n_frames", 1) == 3


@pytest.mark.parametrize("option", ["epochs", "clips"])
def test_there_is_something_to_show(option: str, tmp_path: Path):
    with pytest.raises(InputError, match=f"{option}=0: expected at least 1"):
        film(output=tmp_path / "learning.gif", **{option: 0})


def test_more_clips_than_classes_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="clips=99: expected 1 to 14, one of each class"):
        film(output=tmp_path / "learning.gif", epochs=1, videos=28, clips=99, tested=28)


def test_an_environment_without_a_table_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="table"):
        film("Ada3D-MotionShapes-16-v1", tmp_path / "learning.gif")
