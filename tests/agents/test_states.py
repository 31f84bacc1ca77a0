"""States of interrupted runs: exact, whole, and never run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ada3d_gym.agents.states import load_state, save_state
from ada3d_gym.networks.checkpoints.weights import CheckpointError
from tests.malice import WRITERS, goes_off_when_trusted

STATE = {"epoch": 3, "optimizer": {"lr": 0.1, "betas": (0.9, 0.99)}, "weights": torch.arange(4.0)}


def test_a_state_comes_back(tmp_path: Path):
    path = tmp_path / "new folder" / "run.pt"
    assert load_state(path) is None
    save_state(path, STATE)
    state = load_state(path)
    assert torch.equal(state.pop("weights"), STATE["weights"])
    assert state == {key: value for key, value in STATE.items() if key != "weights"}
    assert [file.name for file in path.parent.iterdir()] == ["run.pt"]


@pytest.mark.parametrize("content", [b"", b"no state\n" * 100, np.random.default_rng(0).bytes(5000), b"\x80\x02N."])
def test_an_unreadable_state_is_named_with_what_to_do(tmp_path: Path, content: bytes):
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{path}: not a readable checkpoint.*delete it"):
        load_state(path)


def test_a_state_that_has_diverged_is_named_with_what_to_do(tmp_path: Path):
    network = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.full((1, 2), torch.inf)).sum().backward()
    optimizer.step()
    path = tmp_path / "run.pt"
    for state, name in (
        ({"network": network.state_dict()}, "network.weight"),
        ({"optimizer": optimizer.state_dict()}, "optimizer.state.0.exp_avg"),
        ({"parts": [{"a": torch.zeros(1)}, {"b": torch.tensor([torch.nan])}]}, "parts.1.b"),
    ):
        save_state(path, state)
        with pytest.raises(CheckpointError, match=rf"{path}: .*diverged .{name} is no longer finite.*delete it"):
            load_state(path)


def test_a_file_of_something_else_is_no_state(tmp_path: Path):
    torch.save([torch.zeros(1)], tmp_path / "run.pt")
    with pytest.raises(CheckpointError, match=r"not a readable checkpoint .it holds a list.; delete it"):
        load_state(tmp_path / "run.pt")


def test_a_truncated_state_is_named(tmp_path: Path):
    path = tmp_path / "run.pt"
    save_state(path, STATE)
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(CheckpointError, match=f"{path}: not a readable checkpoint"):
        load_state(path)


@pytest.mark.parametrize("write", WRITERS)
def test_a_pickle_given_as_state_runs_nothing(tmp_path: Path, write: Callable[[Path, Path], None]):
    path, victim = tmp_path / "evil.pt", tmp_path / "victim"
    write(path, victim)
    assert goes_off_when_trusted(path, victim)
    with pytest.raises(CheckpointError, match=str(path)):
        load_state(path)
    assert not victim.exists()
