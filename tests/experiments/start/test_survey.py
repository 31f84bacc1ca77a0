"""What is found out of each video, and what is left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ada3d_gym.experiments.own.collecting import collect
from ada3d_gym.experiments.own.survey import Survey, survey, turned_by
from ada3d_gym.experiments.own_fixtures.writing import Recording, record


def surveyed(folder: Path, tmp_path: Path) -> Survey:
    return survey(collect(folder), tmp_path / "probes.jsonl")


def test_damaged_files_and_copies_are_left_out_by_name(videos: Path, tmp_path: Path):
    one, two = sorted((videos / "circles").rglob("*.mp4"))[:2]
    (videos / "moving" / "cut.mp4").write_bytes(one.read_bytes()[:700])
    shutil.copy(one, videos / "circles" / "copy.mp4")
    shutil.copy(two, videos / "moving" / "other class.mp4")
    found = surveyed(videos, tmp_path)
    assert found.counts == [6, 5, 6]
    causes = {Path(problem.path).name: problem.cause for problem in found.problems}
    assert causes.pop("cut.mp4") in ("unreadable", "truncated")
    assert causes.pop(one.name) == "duplicate"
    assert causes == {two.name: "conflict", "other class.mp4": "conflict"}
    told = "\n".join(found.lines())
    assert "left out: conflict (2)" in told
    assert "duplicate (1)" in told
    assert str(videos / "moving" / "cut.mp4") in told
    assert [line.split()[:2] for line in found.lines() if line.startswith(("circles", "moving"))] == [
        ["circles", "5"],
        ["moving", "6"],
    ]


def test_of_copies_in_two_splits_the_test_keeps_its_own(videos: Path, tmp_path: Path):
    place = tmp_path / "split"
    shutil.copytree(videos, place / "train")
    copied = sorted((videos / "moving").rglob("*.mp4"))[0]
    (place / "test" / "moving").mkdir(parents=True)
    shutil.copy(copied, place / "test" / "moving" / "same.mp4")
    found = surveyed(place, tmp_path)
    assert [(Path(each.path).name, each.cause) for each in found.problems] == [(copied.name, "duplicate")]
    assert [video.path.name for video in found.videos if video.split == "test"] == ["same.mp4"]


@pytest.mark.parametrize(("quarters", "degrees"), [(0, 0), (1, 270), (3, 90)])
def test_how_a_phone_was_held(quarters: int, degrees: int, tmp_path: Path):
    frames = np.random.default_rng(0).integers(0, 255, (10, 96, 64, 3), np.uint8)
    path = tmp_path / "a.mp4"
    record(path, frames, Recording(25, turned=quarters))
    assert turned_by(path) == degrees


def test_lengths_rates_and_sizes_are_told(tmp_path: Path):
    rng = np.random.default_rng(0)
    for number, (name, rate) in enumerate([("run", 25), ("run", 30), ("walk", 50), ("walk", 25)]):
        frames = rng.integers(0, 255, (10 * (number + 1), 96, 64, 3), np.uint8)
        record(tmp_path / "set" / name / f"{number}.mov", frames, Recording(rate, turned=number % 2))
    found = surveyed(tmp_path / "set", tmp_path)
    assert found.short_sides == [64] * 4
    assert found.frames == [10, 20, 30, 40]
    assert np.allclose(found.seconds, [10 / 25, 20 / 30, 30 / 50, 40 / 25], rtol=0.05)
    told = "\n".join(found.lines())
    assert "sizes as shown: 64x96 (4)" in told
    assert "frames a second: 25 (2), 30 (1), 50 (1)" in told
    assert "upright: 4 of 4; turned when shown: 270° (2)" in told
    assert "containers: mov (4)" in told
