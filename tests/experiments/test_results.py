"""Results are kept line by line, whatever happens in between."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from ada3d_gym.evaluation import Evaluation, Usage
from ada3d_gym.experiments.results import ResultFile, summarise, with_times
from tests.experiments.lines import result


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


def test_lines_of_before_times_were_noted_are_read(tmp_path: Path):
    path = tmp_path / "results.jsonl"
    before = asdict(result("Upper"))
    for name in ("milliseconds", "milliseconds_selection", "judged"):
        del before[name]
    path.write_text(json.dumps(before) + "\n")
    read = ResultFile(path).results["Upper"]
    assert (read.milliseconds, read.milliseconds_selection) == (None, None)
    assert read.gmacs_total == pytest.approx(0.021)
    ResultFile(path).add(with_times(read, (0.51236, 0.1)))
    assert ResultFile(path).results["Upper"].milliseconds == 0.5124
