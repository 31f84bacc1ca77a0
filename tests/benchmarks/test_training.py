"""The benchmark of training steps, at its smallest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.training import training


@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_each_step_is_timed_counted_and_estimated(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    training(quick=True, batch=4, policy_batch=4, micro_batch=2, turns=1, ways=("float32",), json=tmp_path / "t.json")
    found = json.loads((tmp_path / "t.json").read_text())
    rows = {(row["step"], row["way"]): row for row in found["rows"]}
    whole, passes, anew = (f"float32, {way}" for way in ("whole batches", "passes", "passes, maps anew"))
    assert {way for _, way in rows} == {whole, passes, anew}
    for (step, _), row in rows.items():
        assert row["ms"] > 0 and row["estimate"] > 0 and row["asks"]["collectives"] == 0
        assert sum(row["shares"].values()) == pytest.approx(1)
        assert row["asks"]["waits"] == {"REINFORCE": 3, "joint": 4}.get(step, 1), step  # masks, rewards, two losses
    masks = [rows["classifier, masks", way] for way in (whole, passes, anew)]
    assert masks[0]["estimate"] > masks[1]["estimate"] > masks[2]["estimate"]
    assert masks[1]["asks"]["copies"] > masks[0]["asks"]["copies"]
    assert "estimate_least" in found["summary"] and "ms a clip" in capsys.readouterr().out
