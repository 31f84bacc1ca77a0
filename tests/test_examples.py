"""The examples run as they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes import ROOT, run

EXAMPLES = sorted((ROOT / "examples").glob("[!_]*.py"))


SHORTER = {"cleanrl_ppo": ("--updates", "2", "--num-envs", "8", "--minibatch", "32", "--videos", "28")}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs(path: Path):
    assert "top-1" in run("-m", f"examples.{path.stem}", *SHORTER.get(path.stem, ()))
