"""Weights on disk: exact, whole, and never run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from ada3d_gym.networks.checkpoints.weights import CheckpointError, load_weights, read_metadata, save_weights
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_TINY
from ada3d_gym.shipped import CLASSIFIER, SELECTION
from tests.junk import JUNK
from tests.malice import WRITERS, goes_off_when_trusted


def module(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))


def test_weights_and_metadata_come_back(tmp_path: Path):
    one, other = module(), module()
    path = tmp_path / "new folder" / "a.safetensors"
    save_weights(one, path, {"command": "python -m x"})
    load_weights(other, str(path))
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())
    assert read_metadata(path) == {"command": "python -m x"}
    assert [file.name for file in path.parent.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("path", [CLASSIFIER, SELECTION], ids=lambda path: path.name)
def test_shipped_weights_are_small_and_say_how_they_were_made(path: Path):
    assert path.stat().st_size < 4e6
    assert "experiments.pretrain" in read_metadata(path)["command"]
    assert all(torch.isfinite(value).all() for value in load_file(path).values())


def truncated(path: Path) -> None:
    save_weights(module(), path)
    os.truncate(path, path.stat().st_size - 50)


BAD = {**JUNK, "truncated": truncated}


@pytest.mark.parametrize("kind", BAD)
def test_an_unreadable_file_is_named(tmp_path: Path, kind: str):
    path = tmp_path / "bad.safetensors"
    BAD[kind](path)
    with pytest.raises(CheckpointError, match=rf"{path}.*safetensors file"):
        load_weights(module(), path)


def test_weights_of_another_network_are_refused_by_their_first_wrong_key(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    save_weights(module(width=5), path)
    untouched = module()
    before = {key: value.clone() for key, value in untouched.state_dict().items()}
    with pytest.raises(CheckpointError, match=rf"{path}: 0\.bias has shape \(5,\), expected \(4,\)"):
        load_weights(untouched, path)
    assert all(torch.equal(value, before[key]) for key, value in untouched.state_dict().items())


def test_missing_and_unexpected_keys_are_named(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    state = module().state_dict()
    save_file({key: value for key, value in state.items() if key != "1.running_var"}, path)
    with pytest.raises(CheckpointError, match=rf"{path}: 1\.running_var is missing"):
        load_weights(module(), path)
    save_file({**state, "2.weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=rf"{path}: 2\.weight is not expected"):
        load_weights(module(), path)


@pytest.mark.parametrize(
    ("key", "told"), [("0.weight", "is not finite .*earlier"), ("1.running_var", "is .* below zero")]
)
def test_weights_of_a_training_that_diverged_are_refused(key: str, told: str, tmp_path: Path):
    path, state = tmp_path / "a.safetensors", module().state_dict()
    state[key].view(-1)[0] = float("nan") if key == "0.weight" else -1
    save_file(state, path)
    with pytest.raises(CheckpointError, match=f"{path}: {key} {told}"):
        load_weights(module(), path)


def test_the_selection_weights_are_no_classifier():
    with pytest.raises(CheckpointError, match=SELECTION.name):
        load_weights(MaskedResNet3d(I3D_TINY, 14), SELECTION)


@pytest.mark.parametrize("write", WRITERS)
def test_a_pickle_given_as_weights_runs_nothing(tmp_path: Path, write: Callable[[Path, Path], None]):
    path, victim = tmp_path / "evil.safetensors", tmp_path / "victim"
    write(path, victim)
    assert goes_off_when_trusted(path, victim)
    with pytest.raises(CheckpointError, match=str(path)):
        load_weights(module(), path)
    assert not victim.exists()
