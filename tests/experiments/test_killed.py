"""A training that is killed ten times, anywhere, ends in the weights of one that nothing disturbed."""

from __future__ import annotations

import multiprocessing
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from ada3d_gym.experiments.train import train

ENV = "Ada3D-MotionShapes-v1"
SCHEDULES = {
    "reinforce": ("epochs=4", "joint_epochs=4", "batch_size=8", "samples=2"),
    "ppo": ("epochs=4", "joint_epochs=4", "num_envs=8", "n_steps=2", "batch_size=8", "classifier_batch=8"),
}


@pytest.mark.slow
@pytest.mark.parametrize("agent", SCHEDULES)
def test_ten_kills_change_no_weight(tmp_path: Path, agent: str):
    context = multiprocessing.get_context("forkserver")  # each run is a fresh process; what it imports is loaded once
    context.set_forkserver_preload(["experiments.train"])
    rng = np.random.default_rng(0)

    def start(folder: Path) -> multiprocessing.context.ForkServerProcess:
        options = {"agent": agent, "set": SCHEDULES[agent], "videos": 42, "classifier_epochs": 1, "output": folder}
        process = context.Process(target=train, args=(ENV,), kwargs=options)
        process.start()
        return process

    def finish(folder: Path) -> float:
        begin = time.perf_counter()
        process = start(folder)
        process.join()
        assert process.exitcode == 0
        return time.perf_counter() - begin

    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    seconds = finish(unbroken)
    kills = 0
    for _ in range(10):
        process = start(killed)
        process.join(rng.uniform(0, seconds / 16))  # the first run, on cold caches, took longer
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
    assert kills == 10  # what has finished cannot be killed
    finish(killed)
    names = sorted(path.name for path in unbroken.glob("*.safetensors"))
    assert "classifier.safetensors" in names
    for name in names:
        weights, others = load_file(unbroken / name), load_file(killed / name)
        assert all((value == others[key]).all() for key, value in weights.items())
