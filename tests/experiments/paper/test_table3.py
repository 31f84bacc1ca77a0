"""Table 3: where its policies come from, and that they have seen nothing of the target."""

from __future__ import annotations

from pathlib import Path

import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.paper.lists import LEARNED, PaperRuns
from ada3d_gym.experiments.paper.options import PaperOptions
from ada3d_gym.experiments.paper.published import published
from ada3d_gym.experiments.paper.table3 import (
    FINE_TUNED,
    PRINTED,
    ROWS,
    TransferOptions,
    TransferRuns,
    sections,
    table3,
)
from ada3d_gym.shipped import CLASSIFIER
from tests.experiments.lines import read

MOTION = "Ada3D-MotionShapes-v1"


def runs_of(tmp_path: Path, **options: object) -> TransferRuns:
    runs = TransferRuns(TransferOptions(output=tmp_path, **options))  # type: ignore[arg-type]
    sections(runs)
    return runs


@pytest.mark.parametrize(("half", "target"), [("a", "b"), ("b", "a")])
def test_the_policys_network_sees_its_own_half_alone(half: str, target: str, tmp_path: Path):
    runs = runs_of(tmp_path, seeds=2, half=half)
    root = tmp_path / MOTION
    for name, kind in ((f"half-{half}", half), (f"half-{target}", target)):
        first = runs.tasks[root / name / "pretrained"].compose()
        assert (first.environment["classes"], first.trunk) == (kind, "random")
        assert first.trunk_epochs > 0 < first.classifier_epochs
        assert first.environment["checkpoint"] == str(CLASSIFIER)  # of 14 classes, so the head of 7 is fresh
        for seed in (0, 1):
            learned = runs.tasks[root / name / f"seed{seed}" / "reinforce"]
            made = learned.compose()
            assert (made.environment["classes"], made.seed) == (kind, seed)
            assert made.trunk == str(root / name / "pretrained" / "trunk.safetensors")
            assert learned.upper == root / name / "pretrained"
    taken = runs.tasks[root / f"half-{target}" / "seed1" / "transferred"]
    assert root / f"half-{half}" / "seed1" / "reinforce" in taken.needs
    assert taken.upper == root / f"half-{target}" / "pretrained"


def test_with_a_run_from_elsewhere_nothing_is_learned_but_the_comparison(tmp_path: Path):
    given = {"source_run": tmp_path / "source", "id": "Ada3D-Kinetics-v0", "checkpoint": Path("x.pkl"), "seeds": 1}
    runs = runs_of(tmp_path, own=False, **given)
    assert {folder.name for folder in runs.tasks} == {
        "pretrained",
        "transferred",
        "as-it-is",
        "best-fixed",
        "random",
        "random-ft",
        "fixed",
        "fixed-ft",
    }
    more = set(runs_of(tmp_path, **given).tasks) - set(runs.tasks)
    assert [folder.name for folder in more] == ["reinforce"]


def test_with_a_run_from_elsewhere_what_table_1_has_is_not_trained_again(tmp_path: Path):
    given = {"id": "Ada3D-Kinetics-v0", "checkpoint": Path("x.pkl"), "seeds": 1}
    runs = runs_of(tmp_path, source_run=tmp_path / "source", **given)
    one = PaperRuns(PaperOptions(output=tmp_path, **given))  # type: ignore[arg-type]
    for method in ("Upper", "Fixed", LEARNED):
        one.rows(method)
    assert set(one.tasks) <= set(runs.tasks)
    for folder, task in one.tasks.items():
        assert runs.tasks[folder].compose() == task.compose()


def test_a_public_set_has_no_halves():
    with pytest.raises(InputError, match="Ada3D-Kinetics-v0 has no halves: give --source-run"):
        table3(TransferOptions(id="Ada3D-Kinetics-v0"))


def test_a_source_that_is_no_run_is_refused_before_the_target_is_trained(tmp_path: Path):
    with pytest.raises(InputError, match="nowhere holds no run of 'ada3d train'"):
        table3(TransferOptions(source_run=tmp_path / "nowhere", output=tmp_path / "runs", seeds=1))
    assert not (tmp_path / "runs").exists()


def test_the_papers_rows_have_a_place():
    methods = {row.method for row in published("3")}
    assert methods == {PRINTED.get(name, name) for name in ROWS} & methods


@pytest.mark.slow
def test_every_row_comes_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    table3(TransferOptions(quick=True, seeds=1, output=tmp_path, json=tmp_path / "table.json"))
    printed = capsys.readouterr().out
    for name in (*ROWS, LEARNED):
        assert f"| {name} " in printed
    assert "72.8 (-0.3) at 75 %" in printed
    root = tmp_path / "quick" / MOTION / "half-b" / "seed0"
    as_it_is, tuned = (read(root / name / "results.jsonl")["transferred"] for name in ("as-it-is", "transferred"))
    assert as_it_is["gmacs"] == tuned["gmacs"]  # the same masks
    assert FINE_TUNED in (tmp_path / "table.json").read_text()
