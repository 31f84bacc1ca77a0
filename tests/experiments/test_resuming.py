"""What may change between the start of a run and its end, and what may not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.index_videos import index_videos
from ada3d_gym.experiments.train import train
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import SPECS


@pytest.fixture
def own(sets: Path, tmp_path: Path) -> dict[str, Any]:
    """Arguments of a run on videos that a test may change."""
    shutil.copytree(sets / "videos", tmp_path / "videos")
    shutil.copy(sets / "i3d_tiny.safetensors", tmp_path / "weights.safetensors")
    index_videos("videos", root=tmp_path / "videos")
    (tmp_path / "settings.yaml").write_text("")
    options = {"config": tmp_path / "settings.yaml", "backbone": "i3d_tiny", "size": 32, "output": tmp_path / "run"}
    return options | {"data_root": tmp_path / "videos", "checkpoint": tmp_path / "weights.safetensors"}


def begin(own: dict[str, Any], **changes: Any) -> None:
    train("Ada3D-Videos-v0", "uniform", **own | changes)


def test_what_was_moved_and_how_videos_are_read_change_nothing(own: dict[str, Any], tmp_path: Path):
    begin(own)
    (tmp_path / "run" / "classifier.safetensors").unlink()  # not finished
    moved = {"data_root": tmp_path / "moved", "checkpoint": tmp_path / "moved.safetensors"}
    for name, path in moved.items():
        own[name].rename(path)
    index_videos("videos", root=moved["data_root"])
    own["config"].write_text("environment: {workers: 1, cache_bytes: 1000000, ahead_bytes: 100000000}\n")
    begin(own, **moved)
    noted = json.loads((tmp_path / "run" / "options.json").read_text())
    assert noted["environment"]["data_root"] == str(moved["data_root"])
    assert noted["environment"]["workers"] == 1
    with pytest.raises(InputError, match=r"holds another run \(environment\.size: 32 there, 16 now\): choose another"):
        begin(own, **moved, size=16)


def test_an_index_made_anew_with_other_videos_is_noticed(own: dict[str, Any]):
    begin(own)
    lists = own["data_root"] / "val.csv"
    rows = lists.read_text().splitlines()
    lists.write_text("\n".join(rows[1:]) + "\n")
    index_videos("videos", root=own["data_root"])
    changed = r"index of test: 8 videos \(\w+\) there, 7 videos \(\w+\) now\): put back .* or choose another --output"
    with pytest.raises(InputError, match=changed):
        begin(own)
    lists.write_text("\n".join([rows[0][:-1] + "3", *rows[1:]]) + "\n")  # as many, with another label
    index_videos("videos", root=own["data_root"])
    with pytest.raises(InputError, match=r"index of test: 8 videos .* there, 8 videos"):
        begin(own)
    lists.write_text("\n".join(rows) + "\n")
    index_videos("videos", root=own["data_root"])
    begin(own)


def test_other_weights_in_the_same_place_are_noticed(own: dict[str, Any]):
    begin(own)
    save_weights(MaskedResNet3d(SPECS["i3d_tiny"], 4), own["checkpoint"])
    with pytest.raises(InputError, match=r"environment\.checkpoint: \w+ there, \w+ now"):
        begin(own)
