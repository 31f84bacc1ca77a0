"""The paper's ablations on MotionShapes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ada3d_gym.experiments.ablations import TABLES, ablations, report
from ada3d_gym.experiments.results import Result

METHODS = {method for rows in TABLES.values() for method in rows.values()}


def result(method: str, seed: int) -> Result:
    usage = {"top1": 90.0, "frames": 2.0 + seed, "stages": 1.0}
    return Result(
        method=method,
        top1=90.0 + seed,
        map=95.0,
        gmacs=0.01,
        gmacs_selection=0.0,
        frames=4.0,
        stages=2.0,
        distinct_masks=5,
        seconds=1.0,
        seed=seed,
        by_family=dict.fromkeys(("scene", "object", "motion"), usage),
        visible_kept=80.0,
        visible_chance=30.0,
    )


def test_tables_have_every_row_with_its_interval():
    printed = report([{method: result(method, seed) for method in METHODS} for seed in range(3)])
    for title, rows in TABLES.items():
        assert title in printed
        table = printed.split(title)[1]
        for name in rows:
            assert f"| {name} " in table
    assert "91.0 ± 2.5" in printed  # 1 · 4.303 / √3
    assert "80.0 ± 0.0 % of kept frames" in printed


@pytest.mark.slow
def test_every_part_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    ablations(seeds=1, quick=True, output=tmp_path)
    lines = (tmp_path / "demo-quick-seed0" / "results.jsonl").read_text().splitlines()
    found = {line["method"]: line for line in map(json.loads, lines)}
    assert found.keys() == METHODS
    shares = [found["Random FT"][key] for key in ("frames", "stages")]
    assert found["frames learned"]["stages"] == pytest.approx(shares[1], abs=0.2)  # the other head is as random
    assert found["stages learned"]["frames"] == pytest.approx(shares[0], abs=0.2)
    assert "Table 6" in capsys.readouterr().out
