"""Two processes train what one trains."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from ada3d_gym import parallel
from ada3d_gym.agents.agent import Agent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.train import train
from ada3d_gym.experiments.training import see_alike
from tests.experiments.lines import read, timeless
from tests.processes import run, run_two

MOTION = "Ada3D-MotionShapes-v1"
VIDEOS = 21  # the last batch, of five clips, is an uneven one for two processes


@pytest.mark.slow  # `test_two_processes.py` shows it of one option
@pytest.mark.parametrize(
    "option", ["baseline=leave_one_out", "baseline=value", "baseline=batch_mean", "heads=frames", "accumulate=2"]
)
def test_two_processes_end_in_the_weights_of_one(tmp_path: Path, option: str):
    options = ("epochs=1", "joint_epochs=1", "batch_size=8", "samples=2", option)
    command = ["-m", "experiments.train", MOTION, "--videos", str(VIDEOS), "--classifier-epochs", "1"]
    printed = run_two(*command, "--set", *options, "--output", str(tmp_path / "two"))
    same_run(printed, tmp_path / "two", tmp_path / "one", options)


def same_run(printed: str, two: Path, one: Path, options: tuple[str, ...]) -> None:
    """Two processes have trained and judged, in their folder and in what they printed, what one does in its own."""
    train(MOTION, videos=VIDEOS, classifier_epochs=1, set=options, output=one)
    assert printed.count("results and logs") == 1  # of one process
    for file in ("pretrained", "selection", "classifier"):
        weights, others = (load_file(folder / f"{file}.safetensors") for folder in (one, two))
        for key, value in weights.items():
            torch.testing.assert_close(others[key], value, rtol=1e-4, atol=1e-5)
    judged = read(two / "results.jsonl")
    (two / "results.jsonl").unlink()
    train(MOTION, videos=VIDEOS, classifier_epochs=1, set=options, output=two)  # judged again, in one process
    again = read(two / "results.jsonl")
    assert again.keys() == {"Upper", "reinforce"}
    assert all(timeless(line) == timeless(judged[name]) for name, line in again.items())


class Alone(Agent):
    """Learns in one process."""

    total_epochs = 1

    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[Any]:
        raise AssertionError


def test_what_trains_in_one_process_says_so(bandit: ClipBandit, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parallel, "world", lambda: 2)
    with pytest.raises(ValueError, match="Alone trains in one process: start it without torchrun"):
        Alone(bandit, None).learn(1, lambda epoch, figures: None)


@pytest.mark.slow
def test_two_processes_search_and_print_as_one(tmp_path: Path):
    """Lists of runs, the search for the best fixed mask, and what needs both, started by torchrun."""
    script = tmp_path / "table.py"
    script.write_text(TABLE)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    alone, together = run(str(script), str(tmp_path / "one")), run(*launch, str(script), str(tmp_path / "two"))
    assert together.splitlines()[-1] == alone.splitlines()[-1] == "3 runs are finished"
    assert together.count("runs are finished") == 1
    one, two = (json.loads((tmp_path / each / "search" / "constants.json").read_text()) for each in ("one", "two"))
    assert one == two


TABLE = """
import sys
from functools import partial
from pathlib import Path

from ada3d_gym.experiments.cli import run
from ada3d_gym.experiments.plan import Task, carry_out
from ada3d_gym.experiments.runs import compose

def table(folder: Path) -> None:
    small = partial(compose, "Ada3D-MotionShapes-v1", seed=0, environment={"videos": 14})
    upper, search = folder / "upper", folder / "search"
    tasks = [
        Task(upper, partial(small, "upper")),
        Task(search, partial(small, "best-fixed", options={"clips": 1, "regular": True}), (upper,), upper),
        Task(folder / "uniform", partial(small, "uniform"), (search,), upper),
    ]
    print(len(carry_out(tasks, "cpu", count=1)), "runs are finished")

run(table, arguments=["--folder", sys.argv[1]])
"""


def test_a_folder_that_processes_do_not_share_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Once the other one sees what the first has written, as some seconds later on NFS, they go on."""
    monkeypatch.setattr(parallel, "world", lambda: 2)
    monkeypatch.setattr(parallel, "rank", lambda: 1)
    first = {"options.json": (2, 10**18)}
    monkeypatch.setattr(parallel, "gather", lambda mine: [first, mine] if isinstance(mine, dict) else ["", mine])
    path = tmp_path / "options.json"
    told = r"is not the same folder for all processes, .*process 1 on .*: options\.json is not as process 0 wrote it"
    with pytest.raises(InputError, match=told):
        see_alike(tmp_path, 0.3)

    def appear() -> None:
        (tmp_path / "new").write_text("{}")
        os.utime(tmp_path / "new", ns=(10**18, 10**18))
        (tmp_path / "new").rename(path)

    threading.Timer(0.5, appear).start()
    see_alike(tmp_path, 60)
    assert path.exists()


@pytest.mark.parametrize(("count", "mine"), [(5, [1, 3]), (2, [1]), (1, [0]), (0, [])])
def test_rows_are_dealt_out(monkeypatch: pytest.MonkeyPatch, count: int, mine: list[int]):
    monkeypatch.setattr(parallel, "world", lambda: 2)
    monkeypatch.setattr(parallel, "rank", lambda: 1)
    assert parallel.rows(count).tolist() == mine


@pytest.mark.slow
def test_processes_that_train_batch_norm_pay_from_one_network(tmp_path: Path):
    """Each checks at every step that its network is the first process's, and fails if not."""
    script = tmp_path / "check.py"
    script.write_text(CHECK)
    run_two(str(script))


CHECK = """
import numpy as np
import torch

from ada3d_gym import parallel
from ada3d_gym.building import build_bandit
from ada3d_gym.finetuning import ClassifierTrainer

with parallel.joined("cpu"):
    bandit = build_bandit(split="val", videos=14)
    trainer = ClassifierTrainer(bandit.classifier, 0.01, freeze_batch_norm=False, dropout=0.5)
    before = bandit.classifier.network.stem.norm.running_mean.clone()
    ids = np.arange(parallel.rank(), 14, 2)
    for _ in range(2):
        masks = np.ones((7, 8), np.bool_), np.ones((7, 5), np.bool_)
        trainer.step(bandit.source.clips(ids), *masks, bandit.source.targets(ids))
        first, second = parallel.gather(bandit.classifier.network.state_dict())
        assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert not torch.equal(before, bandit.classifier.network.stem.norm.running_mean)
"""
