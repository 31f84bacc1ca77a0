"""The moving pictures of the environments' pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ada3d_gym.experiments import environment_pictures as drawn


@pytest.mark.slow
def test_each_shows_whole_clips_and_what_steps_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(drawn, "CLIPS", 2)
    monkeypatch.setattr(drawn, "VIDEOS", 1)
    drawn.environment_pictures(tmp_path)
    for name, pictures in (("environment-masks.gif", 4), ("environment-looks.gif", 1 + len(drawn.PLACES))):
        with Image.open(tmp_path / name) as picture:
            assert getattr(picture, "n_frames", 1) == pictures
            assert picture.width == drawn.WIDTH
