"""The examples run as they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes import ROOT, run

EXAMPLES = sorted((ROOT / "examples").glob("[!_]*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs(path: Path):
    assert "top-1" in run("-m", f"examples.{path.stem}")
