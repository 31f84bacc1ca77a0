"""A selection network's file says what it chooses among, and is refused by name where that is something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ada3d_gym.agents.registry import make_agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.networks.checkpoints.weights import CheckpointError, load_weights, save_weights
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.selection import ClipTrunk, SelectionNetwork
from ada3d_gym.networks.selection_file import load_selection, read_selection_shape, save_selection
from ada3d_gym.networks.spec import SPECS

STAGES = ("conv1", "res2", "res3", "res4", "res5")
KINDS = [("mobilenet_v2_tiny", "concat", 128), ("mobilenet_v2_tiny", "mean", 128), ("mobilenet_v2", "concat", 16)]


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(
        torch.equal(states[0][key], states[1][key]) for key in states[0]
    )


@pytest.mark.parametrize("told", [True, False], ids=["by save_selection", "bare weights"])
@pytest.mark.parametrize(("backbone", "aggregation", "hidden"), KINDS)
def test_what_is_saved_is_loaded_whole(backbone: str, aggregation: Any, hidden: int, told: bool, tmp_path: Path):
    selection = SelectionNetwork(ClipTrunk(4, backbone, aggregation, hidden), 2)
    path = tmp_path / "selection.safetensors"
    if told:
        save_selection(selection, path, ("res4", "res5"), 32)
    else:
        save_weights(selection, path)
    loaded = load_selection(path, num_frames=4, stage_names=("res4", "res5"), side=32)
    assert same(loaded, selection)
    assert not loaded.training
    assert loaded.trunk.aggregation == aggregation
    clips = torch.randint(0, 256, (2, 4, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        for one, other in zip(loaded(clips), selection.eval()(clips), strict=True):
            assert torch.equal(one, other)


def test_an_agents_export_says_what_it_chooses_among(bandit: ClipBandit, tmp_path: Path):
    agent = make_agent("reinforce", bandit, {"epochs": 1})
    (path,) = agent.export(tmp_path)
    shape = read_selection_shape(path)
    assert str(shape) == f"8 frames of 32 pixels and 5 stages ({', '.join(STAGES)})"
    assert same(load_selection(path), agent.selection)


def test_an_agent_of_another_network_exports_it_too(bandit: ClipBandit, tmp_path: Path):
    (path,) = make_agent("supervised", bandit, {"epochs": 1}).export(tmp_path)
    with pytest.raises(InputError, match="no frame and stage heads; expected a selection network"):
        load_selection(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    selection = SelectionNetwork(ClipTrunk(8, "mobilenet_v2_tiny"), 5)
    save_selection(selection, tmp_path / "selection.safetensors", STAGES, 32)
    return tmp_path / "selection.safetensors"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"num_frames": 16}, "have 16 frames: give"),
        ({"side": 112}, "have frames of 112 pixels"),
        ({"stage_names": ("res4", "res5")}, r"have 2 stages \(res4, res5\)"),
        ({"stage_names": ("stem", *STAGES[1:])}, r"have 5 stages \(stem, res2"),
        ({"num_frames": 16, "side": 64}, "have 16 frames and frames of 64 pixels"),
    ],
)
def test_one_of_other_clips_is_refused_by_name(wanted: dict[str, Any], said: str, path: Path):
    its_own = r"selection\.safetensors chooses among 8 frames of 32 pixels and 5 stages \(conv1, .*these clips.* "
    with pytest.raises(InputError, match=its_own + said):
        load_selection(path, **wanted)
    load_selection(path, num_frames=8, side=32, stage_names=STAGES)


def test_bare_weights_are_held_to_what_their_shapes_tell(path: Path, tmp_path: Path):
    bare = tmp_path / "bare.safetensors"
    save_file(load_file(path), bare)
    assert str(read_selection_shape(bare)) == "8 frames and 5 stages"
    load_selection(bare, side=64)
    with pytest.raises(InputError, match="have 2 stages"):
        load_selection(bare, stage_names=("res4", "res5"))


def test_files_that_are_no_selection_network(path: Path, tmp_path: Path):
    state, other = load_file(path), tmp_path / "other.safetensors"
    save_weights(MaskedResNet3d(SPECS["i3d_tiny"], 4), other)
    with pytest.raises(InputError, match="no frame and stage heads"):
        load_selection(other)
    save_file({key: value for key, value in state.items() if ".backbone." not in key}, other)
    with pytest.raises(InputError, match="shown features of frames, without the backbone"):
        load_selection(other)
    state["trunk.backbone.0.0.weight"] = torch.zeros(8, 5, 3, 3)
    save_file(state, other)
    with pytest.raises(InputError, match=r"shape \(8, 5, 3, 3\), of none of mobilenet_v2"):
        load_selection(other)
    with pytest.raises(CheckpointError, match="no such weights file"):
        load_selection(tmp_path / "nowhere")
    other.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="not readable"):
        load_selection(other)
    torch.save(load_file(path), other)
    with pytest.raises(InputError, match="no safetensors file"):
        load_selection(other)


@pytest.mark.parametrize("told", [{"stage_names": ["res5"], "side": 32}, {"stage_names": 5}, {"side": "x"}, [], 3])
def test_files_that_tell_lies(told: Any, path: Path):
    save_file(load_file(path), path, {"ada3d_selection": json.dumps(told)})
    with pytest.raises(InputError, match="what it says of itself does not fit its weights"):
        load_selection(path)


def test_the_same_network_is_the_same_file(path: Path, tmp_path: Path):
    selection, again = load_selection(path), tmp_path / "again.safetensors"
    save_selection(selection, again, STAGES, 32)
    assert again.read_bytes() == path.read_bytes()
    with safe_open(again, "pt") as file:
        assert json.loads(file.metadata()["ada3d_selection"])["backbone"] == "mobilenet_v2_tiny"
    load_weights(selection, again)  # bare weights to who reads only these
    assert np.isfinite(selection.frame_head.weight.detach().numpy()).all()
