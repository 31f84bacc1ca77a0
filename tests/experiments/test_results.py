"""Results are kept line by line, whatever happens in between."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ada3d_gym.evaluation import Evaluation, Usage
from ada3d_gym.experiments.results import Result, ResultFile, summarise, table


def result(method: str, **changes: object) -> Result:
    values = {"top1": 91.25, "map": 95.5, "gmacs": 0.02, "gmacs_selection": 0.001, "frames": 4.5, "stages": 2.5}
    known = {"distinct_masks": 20, "seconds": 1.5, "seed": 0, "visible_kept": 60.0, "visible_chance": 45.0}
    return Result(method, **{**values, **known, **changes}, by_family={"scene": {"top1": 99.0, "frames": 2.0}})


def test_results_come_back_in_order(tmp_path: Path):
    file = ResultFile(tmp_path / "results.jsonl")
    assert file.results == {}
    for method in ("Upper", "Random", "Ada3D"):
        file.add(result(method))
    again = ResultFile(tmp_path / "results.jsonl").results
    assert list(again) == ["Upper", "Random", "Ada3D"]
    assert again == file.results


def test_a_method_counts_once(tmp_path: Path):
    file = ResultFile(tmp_path / "results.jsonl")
    file.add(result("Upper"))
    file.add(result("Upper", top1=50.0))
    (line,) = (tmp_path / "results.jsonl").read_text().splitlines()
    assert json.loads(line)["top1"] == 50.0


def test_every_line_has_the_promised_keys(tmp_path: Path):
    ResultFile(tmp_path / "results.jsonl").add(result("Upper"))
    line = json.loads((tmp_path / "results.jsonl").read_text())
    promised = {"method", "top1", "map", "gmacs", "frames", "stages", "distinct_masks", "seconds", "seed"}
    assert promised <= line.keys()


def test_every_line_is_strict_json_though_a_data_set_may_not_know_windows(tmp_path: Path):
    nowhere = float("nan")
    none = np.ones((1, 1), np.bool_)
    evaluation = Evaluation(0.5, 0.5, Usage(0.5, 1e6, 1, 1), {}, {}, 1.0, 1, nowhere, nowhere, none, none, none[0])
    line = summarise("Upper", evaluation, gmacs_selection=0.0, seconds=1.0, seed=0)
    ResultFile(tmp_path / "results.jsonl").add(line)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    json.loads((tmp_path / "results.jsonl").read_text(), parse_constant=refuse)


def test_a_line_that_was_cut_short_counts_as_absent(tmp_path: Path):
    path = tmp_path / "results.jsonl"
    file = ResultFile(path)
    file.add(result("Upper"))
    file.add(result("Random"))
    whole = path.read_text()
    path.write_text(whole[:-30])
    again = ResultFile(path)
    assert list(again.results) == ["Upper"]
    again.add(result("Random"))
    assert path.read_text() == whole


def test_the_table_has_the_papers_columns_and_a_fitting_unit():
    small = table([result("Upper"), result("Ada3D", gmacs=0.01)])
    for word in ("top-1", "mAP", "MMACs", "# 3D", "# frames", "Ada3D", "91.2", "20.00", "10.00"):
        assert word in small
    large = table([result("Upper", gmacs=58.65)])
    assert "GMACs" in large
    assert "58.65" in large
