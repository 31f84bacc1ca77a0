"""A model folder's configuration: written and read alike, and clear about what cannot be used."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from ada3d_gym.experiments.train import train
from ada3d_gym.networks.checkpoints.fitting import CheckpointError
from ada3d_gym.networks.spec import I3D_TINY
from ada3d_gym.prediction import ModelConfig, Predictor
from ada3d_gym.prediction.config import CONFIG, ConfigError, PolicyConfig


def changed(folder: Path, to: Path, **values: Any) -> Path:
    """A copy of a model folder whose configuration has other values, by the names of nested tables with dots."""
    shutil.copytree(folder, to)
    table = json.loads((to / CONFIG).read_text())
    for name, value in values.items():
        *tables, key = name.split(".")
        place = table
        for each in tables:
            place = place[each]
        place[key] = value
    (to / CONFIG).write_text(json.dumps(table))
    return to


def test_it_is_read_as_it_was_written(shapes: Path, listed: Path, labelled: Path, tmp_path: Path):
    for folder in (shapes, listed, labelled):
        config = ModelConfig.load(folder)
        config.save(tmp_path)
        assert ModelConfig.load(str(tmp_path)) == config
        assert config.figures.keys() == {"Upper", "fixed" if folder == labelled else "reinforce"}
    assert config.policy == PolicyConfig("constant", frames=(0, 1, 0, 1, 0, 0, 0, 0), stages=(1, 0, 0, 1, 1))
    assert config.macs["selection"] == 0 < config.macs["upper"]
    assert ModelConfig.load(listed).clips.scaled_by == "decoder"
    assert (config.clips.views, config.clips.size, config.clips.observation_size) == (10, 32, 32)


def test_a_network_of_ones_own_is_stored_whole(shapes: Path, tmp_path: Path):
    config = replace(ModelConfig.load(shapes), backbone=replace(I3D_TINY, name="mine", widths=(8, 16, 32, 48)))
    config.save(tmp_path)
    assert json.loads((tmp_path / CONFIG).read_text())["backbone"]["widths"] == [8, 16, 32, 48]
    assert ModelConfig.load(tmp_path) == config


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"format": 2}, r"format 2, written by ada3d-gym .*; this version \(ada3d-gym .*\) reads format 1"),
        ({"classifier": "../weights.safetensors"}, "expected the name of a file in the same folder"),
        ({"classifier": "/etc/passwd"}, "expected the name of a file in the same folder"),
        ({"policy.file": "sub/selection.safetensors"}, "expected the name of a file in the same folder"),
        ({"policy.file": ".."}, "expected the name of a file in the same folder"),
        ({"policy": {"kind": "constant", "frames": [[1]] * 8, "stages": [1] * 5}}, "expected frame and stage bits"),
        ({"policy": {"kind": "constant", "frames": 5, "stages": [1] * 5}}, "expected frame and stage bits"),
        ({"figures": {"Upper": 5}}, "Upper: expected names and values"),
        ({"pixels": {"mean": [1, 2], "std": [1] * 3}}, "mean: expected three numbers"),
        ({"policy.file": "a" * 300}, "expected the name of a file in the same folder"),
        ({"policy.kind": "code"}, "kind='code': expected one of selection, constant, agent"),
        ({"policy": {"kind": "constant", "frames": [1] * 7, "stages": [1] * 5}}, "expected 8 frame bits and 5 stage"),
        ({"policy": {"kind": "constant", "frames": [0] * 8, "stages": [1] * 5}}, "a frame that is kept"),
        ({"policy": {"kind": "agent", "agent": "dqn"}}, "are those of the agent 'dqn', .*: use 'ada3d predict'"),
        ({"backbone": "i3d_huge"}, "names the 3D network 'i3d_huge', and this version knows i3d_r50"),
        ({"backbone": {"name": "mine"}}, "backbone: expected name, stem_width"),
        ({"backbone": asdict(I3D_TINY) | {"expansion": 8000, "stem_width": 8000}}, "backbone: a network too large"),
        ({"pixels": {"mean": [10**400] * 3, "std": [1] * 3}}, "int too large"),
        ({"stage_names": ["conv1"]}, "names 1 stages, and i3d_tiny has 5"),
        ({"clips.num_frames": 0}, "num_frames=0: expected a whole number from 1 to 8192"),
        ({"clips.sampling": "dense"}, "sampling='dense': expected one of strided"),
        ({"clips": None}, "clips: expected names and values"),
        ({"class_names": []}, "class_names: expected a list of names"),
        ({"class_names": ["a", "b"]}, "head"),
        ({"clips.num_frames": 16}, "chooses among 8 frames"),
        ({"clips.size": 8192}, "size=8192: expected a whole number from 1 to 1448"),
        ({"clips.num_frames": 8000, "clips.observation_size": 64}, "observation_size=64: expected .* from 1 to 45"),
        ({"clips.views": 8000}, "views=8000: expected a whole number from 1 to 1000"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_named(shapes: Path, tmp_path: Path, values: dict[str, Any], complaint: str):
    folder = changed(shapes, tmp_path / "model", **values)
    with pytest.raises((ConfigError, CheckpointError), match=complaint) as raised:
        Predictor.from_pretrained(folder)
    assert "\n" not in str(raised.value)
    assert str(folder) in str(raised.value)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": 1}', "\xff", "[" * 100_000], ids=len)
def test_a_file_of_another_kind_is_named(content: str, tmp_path: Path):
    (tmp_path / CONFIG).write_text(content, "latin-1")
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path / CONFIG))):
        Predictor.from_pretrained(tmp_path)


def test_what_is_missing_is_named(shapes: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="none: no such folder"):
        Predictor.from_pretrained(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"config.json cannot be read .*: expected the folder of a finished run"):
        Predictor.from_pretrained(tmp_path)
    (tmp_path / "options.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"that is not finished, .* start its 'ada3d train' command again"):
        Predictor.from_pretrained(tmp_path)
    for name in ("classifier.safetensors", "selection.safetensors"):
        folder = changed(shapes, tmp_path / name)
        (folder / name).unlink()
        with pytest.raises(ConfigError, match=f"{name} is missing"):
            Predictor.from_pretrained(folder)


def test_weights_are_never_unpickled(shapes: Path, tmp_path: Path):
    folder = changed(shapes, tmp_path / "model")
    torch.save({"a": torch.zeros(1)}, folder / "classifier.safetensors")
    with pytest.raises(CheckpointError, match="a PyTorch file, not a readable safetensors file"):
        Predictor.from_pretrained(folder)
    save_file({"a": torch.zeros(1)}, folder / "classifier.safetensors")
    with pytest.raises(CheckpointError, match=r"classifier\.safetensors"):
        Predictor.from_pretrained(folder)


def test_an_interrupted_run_has_none_and_a_run_of_before_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    run = {"videos": 14, "agent": "uniform", "set": ("frames=2",), "output": tmp_path}
    with monkeypatch.context() as patch:
        patch.setattr("ada3d_gym.experiments.pipeline.milliseconds", interrupted)  # once it is judged
        with pytest.raises(KeyboardInterrupt):
            train("Ada3D-MotionShapes-v1", **run)
    with pytest.raises(ConfigError, match="holds a run that is not finished"):
        Predictor.from_run(tmp_path)
    train("Ada3D-MotionShapes-v1", **run)
    whole = ModelConfig.load(tmp_path)
    (tmp_path / CONFIG).unlink()
    train("Ada3D-MotionShapes-v1", **run)
    assert ModelConfig.load(tmp_path) == whole
