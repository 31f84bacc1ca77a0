"""Tables to read and their JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ada3d_gym.experiments.tables import single_table, table, write_json
from tests.experiments.lines import result


def test_a_table_has_the_papers_columns_all_costs_and_a_fitting_unit():
    small = single_table([result("Upper"), result("Ada3D", gmacs=0.01, milliseconds=0.4321)])
    headers = ("reward", "top-1", "mAP", "MMACs", "selection", "total", "ms a clip", "# 3D", "# frames", "masks")
    assert [small.splitlines()[0].index(each) for each in headers] == sorted(map(small.splitlines()[0].index, headers))
    for word in ("Ada3D", "91.2", "20.00", "10.00", "11.00", "0.432"):
        assert word in small
    large = single_table([result("Upper", gmacs=58.65)])
    assert "GMACs" in large
    assert "58.65" in large


def test_several_runs_have_means_and_their_number():
    runs = [result("Ada3D", top1=90.0 + seed, milliseconds=1.0 if seed == 0 else None) for seed in range(3)]
    printed = table({"Ada3D": runs}, "github", count=True)
    assert "91.0 ± 2.5" in printed  # 1 · 4.303 / √3
    assert "| 1.000 |" in printed.replace("  ", " ").replace("  ", " ").replace("  ", " ")
    assert printed.splitlines()[-1].rstrip(" |").endswith(" 3")


def test_json_has_means_half_intervals_and_whole_results(tmp_path: Path):
    found = {"Ada3D": [result("reinforce", top1=90.0 + seed, seed=seed) for seed in range(3)]}
    write_json(tmp_path / "all.json", found, {"Table 5": {"Tr + FT": "Ada3D"}})
    written = json.loads((tmp_path / "all.json").read_text())
    (row,) = written["tables"][0]["rows"]
    assert (written["tables"][0]["title"], row["method"], row["runs"]) == ("Table 5", "Tr + FT", 3)
    assert row["top1"] == {"mean": 91.0, "half_interval": pytest.approx(2.484, abs=1e-3)}
    assert row["gmacs_total"]["mean"] == pytest.approx(0.021)
    assert row["milliseconds"] == {"mean": None, "half_interval": None}
    assert [(each["method"], each["seed"], each["top1"]) for each in written["results"]] == [
        ("Ada3D", 0, 90.0),
        ("Ada3D", 1, 91.0),
        ("Ada3D", 2, 92.0),
    ]
