"""Two machines, as network namespaces, train what one process trains, and neither waits for one that is gone."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ada3d_gym.experiments.train import train
from tests.nodes import Node, cut, kill, two_nodes
from tests.processes import free_port

MOTION = "Ada3D-MotionShapes-v1"
OPTIONS = ("epochs=1", "joint_epochs=1", "batch_size=8", "samples=2")


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Node]]:
    with two_nodes() as found:
        yield found


def until(happened: Callable[[], object], what: str, seconds: float = 300) -> None:
    begun = time.monotonic()
    while not happened():
        assert time.monotonic() - begun < seconds, what
        time.sleep(0.05)


def test_a_machine_that_falls_silent_is_noticed(nodes: tuple[Node, Node], tmp_path: Path):
    """Its cable is taken out, or, where there is none, it is stopped: no connection is closed."""
    first, second = nodes
    script, head = tmp_path / "wait.py", f"{first.address}:{free_port()}"
    script.write_text(WAITING)
    logs = tmp_path / "log0", tmp_path / "log1"
    groups = [
        node.start(head, rank, [str(script), str(tmp_path)], log=logs[rank], more={"ADA3D_SILENCE": "4"})
        for rank, node in enumerate(nodes)
    ]
    try:
        ready = tmp_path / "ready0", tmp_path / "ready1"
        until(lambda: all(path.exists() for path in ready), "they did not find each other")
        assert [path.read_text() for path in ready] == ["3.0", "3.0"]  # 1 + 2: each heard the other
        if second.within:
            cut(second)
        else:
            groups[1].send_signal(signal.SIGSTOP)
        assert groups[0].wait(60) == 1
    finally:
        for group in groups:
            kill(group)
    told = logs[0].read_text()
    assert "error: process 1 (on " in told
    assert "of 2 has not been heard of for 4 seconds, its machine or network may be gone" in told


WAITING = """
import sys
import time
from pathlib import Path

import torch

from ada3d_gym import parallel

with parallel.joined("cpu"):
    heard = parallel.total(torch.tensor(float(parallel.rank() + 1)))
    part = Path(sys.argv[1], f"part{parallel.rank()}")
    part.write_text(str(heard.item()))
    part.rename(part.with_name(f"ready{parallel.rank()}"))
    if parallel.rank() == 1:
        time.sleep(600)
    parallel.wait()
"""


@pytest.mark.slow
def test_two_machines_train_what_one_process_does_though_one_is_killed(nodes: tuple[Node, Node], tmp_path: Path):
    one, two = tmp_path / "one", tmp_path / "two"
    train(MOTION, videos=21, classifier_epochs=1, set=OPTIONS, output=one)
    arguments = ["-m", "experiments.train", MOTION, "--videos", "21", "--classifier-epochs", "1"]
    arguments += ["--set", *OPTIONS, "--save-minutes", "0", "--output", str(two)]
    head = f"{nodes[0].address}:{free_port()}"
    logs = tmp_path / "log0", tmp_path / "log1"
    groups = [node.torchrun(head, arguments, log=log, restarts=3) for node, log in zip(nodes, logs, strict=True)]
    try:
        until((two / "agent.pt").exists, "it did not begin")  # within the first epoch
        kill(groups[1])
        until(lambda: "error: another process of this run has ended (" in logs[0].read_text(), "not noticed", 60)
        groups[1] = nodes[1].torchrun(head, arguments, log=logs[1], restarts=3)
        assert [group.wait(400) for group in groups] == [0, 0], logs[0].read_text()[-2000:]
    finally:
        for group in groups:
            kill(group)
    told = [log.read_text() for log in logs]
    assert sum("results and logs" in each for each in told) == 1
    for file in ("pretrained", "selection", "classifier"):
        weights, others = (load_file(folder / f"{file}.safetensors") for folder in (one, two))
        for key, value in weights.items():
            torch.testing.assert_close(others[key], value, rtol=1e-4, atol=1e-5)
