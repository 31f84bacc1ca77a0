"""Files are written whole or not at all, also on a full disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ada3d_gym.files import OutputError, replacing

FULL = """
import resource, sys
from pathlib import Path
import torch
from ada3d_gym.files import OutputError
from ada3d_gym.networks.checkpoints import save_weights
from agents.states import save_state

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # to a writer, as a disk that is full
for path, write in ((Path(sys.argv[1]), lambda path: save_state(path, {"a": torch.zeros(10**6)})),
                    (Path(sys.argv[2]), lambda path: save_weights(torch.nn.Linear(1000, 1000), path))):
    try:
        write(path)
    except OutputError as error:
        assert str(path) in str(error) and "cannot be written" in str(error) and "too large" in str(error), error
    else:
        raise AssertionError(path)
"""


def test_a_full_disk_is_named_and_leaves_what_was_there(tmp_path: Path):
    paths = tmp_path / "agent.pt", tmp_path / "net.safetensors"
    for path in paths:
        path.write_text("before")
    subprocess.run([sys.executable, "-c", FULL, *map(str, paths)], check=True)
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert all(path.read_text() == "before" for path in paths)


def test_an_interruption_leaves_what_was_there(tmp_path: Path):
    (tmp_path / "a").write_text("before")
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a") as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_a_path_below_a_file_is_named(tmp_path: Path):
    (tmp_path / "a").touch()
    with (
        pytest.raises(OutputError, match=r"a/b cannot be written \(.*(exists|Not a directory)"),
        replacing(tmp_path / "a" / "b"),
    ):
        pass
