"""Two processes train what one trains, in passes and in mixed precision, and tell each other little."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.processes import run_two
from tests.two_processes import CASES, VIDEOS, trained

EXACT = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("together")
    run_two("-m", "tests.two_processes", str(folder))
    return folder


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_they_end_in_the_weights_of_one(together: Path, case: str):
    agent = trained(case)
    rough = "precision" in CASES[case]
    for name, network in (("selection", agent.selection), ("classifier", agent.bandit.classifier.network)):
        others = load_file(together / f"{case}-{name}.safetensors")
        for key, value in network.state_dict().items():
            torch.testing.assert_close(others[key], value, **({"rtol": 0.02, "atol": 2e-3} if rough else EXACT))


def test_five_sums_a_step_and_no_pickles(together: Path):
    """Of each network its gradients and which of its weights have any, and how many clips have a frame."""
    told = json.loads((together / "told.json").read_text())
    steps = -(-VIDEOS // CASES["plain"]["batch_size"])
    at_the_start, figures = 2 * 2, 4 * 2  # checks of two networks' shapes; figures of an epoch, each with its length
    assert told["plain"]["gloo:all_reduce"] == 5 * steps
    assert told["plain"]["gloo:all_gather"] <= figures + at_the_start
    # of four batches in two updates, the clips of each and the gradients of every second, whatever the passes
    assert told["passes"]["gloo:all_reduce"] == 3 + 2 * 4
