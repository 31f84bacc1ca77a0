"""Our operation counts against the paper's."""

from __future__ import annotations

import re

import pytest

from ada3d_gym.experiments.gflops import compare, derivable, gflops, x3d
from ada3d_gym.experiments.paper.published import PaperRow

ROWS = derivable()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.dataset}-{row.frames_per_clip}-{row.method}")
def test_every_figure_of_the_paper_is_met_or_within_reach(row: PaperRow):
    ours = compare(row)
    if row.method == "Upper":
        assert ours["ours"] == pytest.approx(ours["paper"], abs=0.1)  # it prints 109.1 for twice 54.5
    else:  # mean frames and stages are printed to 0.05, and frames go with stages from clip to clip
        cheapest, dearest = map(float, re.findall(r"[\d.]+", str(ours["by choice of stages"])))
        assert cheapest * 0.97 < ours["paper"] < dearest * 1.03


def test_it_prints_a_row_each(capsys: pytest.CaptureFixture[str]):
    gflops()
    paper, x3ds = capsys.readouterr().out.split("\n\n")
    assert len(paper.splitlines()) == len(ROWS) + 2
    assert len(x3ds.splitlines()) == len(x3d()) + 2


def test_x3ds_own_figures():
    for row in x3d():
        assert float(row["ours"]) == pytest.approx(float(row["paper"]), abs=0.006), row["network"]
        assert row["all stages off"] < row["ours"]
