"""Two processes train what one trains, in passes and in mixed precision, and tell each other little."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.experiments.test_parallel import same_run
from tests.processes import run_two
from tests.two_processes import CASES, OPTIONS, VIDEOS, trained

EXACT = {"rtol": 1e-4, "atol": 1e-5}


ALWAYS = ("plain", "passes")
OTHERS = tuple(case for case in CASES if case not in ALWAYS)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_together(tmp_path_factory, ALWAYS)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_together(tmp_path_factory, OTHERS)


def trained_together(factory: pytest.TempPathFactory, cases: tuple[str, ...]) -> Path:
    folder = factory.mktemp("together")
    (folder / "printed.txt").write_text(run_two("-m", "tests.two_processes", str(folder), *cases))
    return folder


def test_a_run_of_theirs_is_that_of_one(together: Path):
    same_run((together / "printed.txt").read_text(), together / "run", together / "one", OPTIONS)


@pytest.mark.slow
@pytest.mark.parametrize("case", OTHERS)
@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_others_do_too(others: Path, case: str):
    same_weights(others, case)


@pytest.mark.parametrize("case", ALWAYS)
@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_they_end_in_the_weights_of_one(together: Path, case: str):
    same_weights(together, case)


def same_weights(together: Path, case: str) -> None:
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
