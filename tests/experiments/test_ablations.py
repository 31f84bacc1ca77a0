"""The paper's ablations on MotionShapes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ada3d_gym.experiments.ablations import METHODS as ROWS
from ada3d_gym.experiments.ablations import TABLES, ablations, report
from tests.experiments.lines import read, result

METHODS = {method for rows in TABLES.values() for method in rows.values()}


def test_tables_have_every_row_with_its_interval():
    usage = [{"top1": 90.0, "frames": 2.0 + seed, "stages": 1.0} for seed in range(3)]
    families = [dict.fromkeys(("scene", "object", "motion"), each) for each in usage]
    runs = [{"top1": 90.0 + seed, "seed": seed, "visible_kept": 80.0, "by_family": families[seed]} for seed in range(3)]
    printed = report({method: [result(method, **each) for each in runs] for method in METHODS})
    for title, rows in TABLES.items():
        assert title in printed
        table = printed.split(title)[1]
        for name in rows:
            assert f"| {name} " in table
    assert "91.0 ± 2.5" in printed  # 1 · 4.303 / √3
    assert "80.0 ± 0.0 % of kept frames" in printed


@pytest.mark.slow
def test_every_part_runs(quick_demo: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    shutil.copytree(quick_demo[0], tmp_path / "demo-quick-seed0")  # the list's own part is done
    ablations(seeds=1, quick=True, output=tmp_path, json=tmp_path / "all.json")
    found = read(tmp_path / "demo-quick-seed0" / "results.jsonl")
    assert found.keys() == METHODS | set(ROWS)
    assert found["Ada3D, stage 2 only"]["run"]["options"]["epochs"] == 0
    learned = found["Ada3D"]
    assert found["frames learned"]["stages"] == pytest.approx(learned["stages"], abs=0.2)  # the other head is as random
    assert found["stages learned"]["frames"] == pytest.approx(learned["frames"], abs=0.2)
    assert "Table 6" in capsys.readouterr().out
    written = json.loads((tmp_path / "all.json").read_text())
    assert [each["title"] for each in written["tables"]] == list(TABLES)
    assert {each["method"] for each in written["results"]} == found.keys()
