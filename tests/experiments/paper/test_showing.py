"""The paper's figures beside ours, as they are printed."""

from __future__ import annotations

import json
from pathlib import Path

from ada3d_gym.experiments.paper.showing import Section, metric_of, text, write_sections
from tests.experiments.lines import result

FOUND = {
    "Upper": [result("Upper", top1=99.0, map=82.0, gmacs=0.02, gmacs_selection=0.0)],
    "Ada3D": [result("Ada3D", top1=98.0 + seed, map=81.0, gmacs=0.008, gmacs_selection=0.002) for seed in range(3)],
}
SECTION = Section("Table 1", {}, {}, lambda row: row.table == "1" and row.frames_per_clip == 8)


def row_of(printed: str, name: str) -> list[str]:
    lines = [line for line in printed.split("Beside the paper")[1].splitlines() if line.startswith(f"| {name} ")]
    return [cell.strip() for cell in lines[0].split("|")[1:-1]]


def test_ours_stands_beside_each_set_of_the_paper_with_all_operations_counted():
    printed = text(SECTION, FOUND, "motionshapes")
    assert row_of(printed, "Ada3D") == [
        "Ada3D",
        "99.0 ± 2.5 (0.0) at 50 %",  # 0.008 + 0.002 of 0.02
        "81.9 (-0.2) at 61 %",
        "82.6 (0.0) at 72 %",
        "78.9 (-0.1) at 72 %",
    ]


def test_a_set_of_the_paper_has_its_own_column_and_metric_alone():
    printed = text(SECTION, FOUND, "fcvid")
    assert row_of(printed, "Ada3D") == ["Ada3D", "81.0 ± 0.0 (-1.0) at 50 %", "81.9 (-0.2) at 61 %"]
    assert (metric_of("fcvid"), metric_of("kinetics"), metric_of("motionshapes")) == ("mAP", "top-1", "top-1")


def test_rows_that_the_paper_does_not_have_are_blank_there():
    printed = text(SECTION, FOUND | {"Fixed FT": FOUND["Ada3D"]}, "fcvid")
    assert row_of(printed, "Fixed FT")[2] == ""


def test_families_are_told_where_there_are_any():
    printed = text(SECTION, FOUND, "motionshapes")
    assert "| scene " in printed.split("What Ada3D keeps")[1]
    alone = {name: [result(name, by_family={}) for _ in results] for name, results in FOUND.items()}
    assert "What Ada3D keeps" not in text(SECTION, alone, "fcvid")


def test_sections_are_written_for_programs(tmp_path: Path):
    write_sections(tmp_path / "all.json", {"Table 1": FOUND, "Table 5": FOUND})
    written = json.loads((tmp_path / "all.json").read_text())
    assert [table["title"] for table in written["tables"]] == ["Table 1", "Table 5"]
    assert [row["method"] for row in written["tables"][0]["rows"]] == ["Upper", "Ada3D"]
    assert len(written["results"]) == 8


def test_a_part_that_the_paper_prints_nothing_of_has_no_column_of_it():
    curve = Section("Figure 3", {}, {}, lambda row: row.table == "F3")
    printed = text(curve, {"Upper": FOUND["Upper"], "Ada3D, gamma 3": FOUND["Ada3D"]}, "activitynet")
    assert "Beside the paper" not in printed
    shares = printed.split("Score (difference to Upper), operations as a share of Upper's")[1]
    assert "| Ada3D, gamma 3 | 81.0 ± 0.0 (-1.0) at 50 % |" in shares
    assert "paper" not in shares
