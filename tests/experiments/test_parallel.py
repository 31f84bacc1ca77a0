"""Two processes train what one trains."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

MOTION = "Ada3D-MotionShapes-v0"
# The last batch, of five clips, is an uneven one for two processes.
COMMAND = ["-m", "experiments.train", MOTION, "--videos", "21", "--classifier-epochs", "1"]
SMALL = ["--set", "epochs=1", "joint_epochs=1", "batch_size=8", "samples=2"]


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=900)


def two(*arguments: str) -> subprocess.CompletedProcess[str]:
    return start("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments)


@pytest.mark.parametrize("baseline", ["leave_one_out", "value"])
def test_two_processes_end_in_the_weights_of_one(tmp_path: Path, baseline: str):
    runs = {"one": start, "two": two}
    for name, launch in runs.items():
        done = launch(*COMMAND, *SMALL, f"baseline={baseline}", "--output", str(tmp_path / name))
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("results and logs") == 1  # of one process
    for file in ("pretrained", "selection", "classifier"):
        one, other = (load_file(tmp_path / name / f"{file}.safetensors") for name in runs)
        for key, value in one.items():
            torch.testing.assert_close(other[key], value, rtol=1e-4, atol=1e-5)
    # what was trained together goes on, and is judged, in one process
    again = start(*COMMAND, *SMALL, f"baseline={baseline}", "--output", str(tmp_path / "two"))
    assert again.returncode == 0, again.stderr


def test_what_trains_in_one_process_says_so(tmp_path: Path):
    done = two(*COMMAND, "--agent", "a2c", "--set", "epochs=1", "joint_epochs=0", "--output", str(tmp_path / "run"))
    assert done.returncode != 0
    assert "A2CAgent trains in one process: start it without torchrun" in done.stderr
