"""How the machine is timed before anything is promised."""

from __future__ import annotations

import pytest

from ada3d_gym.experiments.own import speeds


@pytest.mark.parametrize(
    ("backbone", "size", "gigabytes", "clips"),
    [("i3d_small", 64, 8, 32), ("i3d_r50", 224, 8, 4), ("i3d_r50", 224, 0.1, 1)],
)
def test_a_timed_step_fits_into_memory(
    backbone: str, size: int, gigabytes: float, clips: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(speeds, "free_memory", lambda device: int(gigabytes * 1e9))
    assert speeds.fitting(backbone, 8, size, "cpu") == clips
