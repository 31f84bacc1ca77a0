"""The demo, start to end, on few videos; and what a SIGKILL does to it, which is nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file

from ada3d_gym.experiments.demo import demo
from tests.processes import kill_when, run, start

METHODS = {"Upper", "2D only", "Random", "Random FT", "Ada3D, stage 1 only", "Ada3D"}


def command(folder: Path) -> list[str]:
    return ["-m", "experiments.demo", "--quick", "--output", str(folder)]


def results(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / "results.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {line.pop("method"): line for line in lines}


def without_seconds(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    return [(method, {**line, "seconds": 0}) for method, line in results(folder).items()]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a run that nothing disturbed, and what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "unbroken"
    return folder, run(*command(folder))


def test_every_method_has_a_line_and_a_row(unbroken: tuple[Path, str]):
    folder, printed = unbroken
    assert results(folder).keys() >= METHODS
    for method, line in results(folder).items():
        assert 0 <= line["top1"] <= 100
        assert 0 < line["gmacs"] < 1
        assert line["seconds"] > 0
        assert line["seed"] == 0
        assert set(line["by_family"]) == {"scene", "object", "motion"}
        assert any(row.startswith(f"{method}  ") for row in printed.splitlines())
    assert "top-1" in printed
    assert str(folder) in printed


def test_methods_use_what_their_names_say(unbroken: tuple[Path, str]):
    lines = results(unbroken[0])
    upper, flat, learned = lines["Upper"], lines["2D only"], lines["Ada3D"]
    assert (upper["frames"], upper["stages"], upper["distinct_masks"]) == (8, 5, 1)
    assert (flat["frames"], flat["stages"], flat["distinct_masks"]) == (8, 0, 1)
    for method, line in lines.items():
        assert line["gmacs"] <= upper["gmacs"]
        assert (line["gmacs_selection"] > 0) == method.startswith("Ada3D")
    for method in ("Random", "Random FT"):
        assert lines[method]["gmacs"] == pytest.approx(learned["gmacs"], rel=0.05)
        assert lines[method]["stages"] == pytest.approx(learned["stages"], abs=0.2)


def test_pictures_logs_and_weights_are_there(unbroken: tuple[Path, str]):
    folder, _ = unbroken
    for name in ("accuracy-macs", "masks", "masks-scene", "masks-object", "masks-motion"):
        with Image.open(folder / f"{name}.png") as picture:
            assert min(picture.size) > 300
    for name in ("selection", "classifier"):
        assert load_file(folder / f"{name}.safetensors")
    assert len(list((folder / "tensorboard").rglob("events*"))) >= 2


def test_a_finished_run_started_again_changes_nothing(unbroken: tuple[Path, str], capsys: pytest.CaptureFixture[str]):
    folder, _ = unbroken
    before = (folder / "results.jsonl").read_bytes()
    demo(quick=True, output=folder)
    assert (folder / "results.jsonl").read_bytes() == before
    printed = capsys.readouterr().out
    assert "Random FT" in printed
    assert " epoch " not in printed


@pytest.mark.parametrize(
    ("options", "told"), [({"seed": 1}, "seed"), ({"gamma": 2.0}, "gamma"), ({"quick": False}, "epochs")]
)
def test_a_folder_holds_one_run(unbroken: tuple[Path, str], options: dict[str, Any], told: str):
    with pytest.raises(ValueError, match=f"{unbroken[0]} holds another run .*{told}: .* there, .* now.*--output"):
        demo(**{"quick": True, "output": unbroken[0], **options})


@pytest.mark.slow
def test_a_run_that_was_killed_twice_ends_like_an_unbroken_one(
    unbroken: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "killed"
    kill_when(start(*command(folder)), (folder / "ada3d.pt").exists)
    assert "Ada3D" not in results(folder)
    kill_when(start(*command(folder)), lambda: "Upper" in results(folder))
    assert "Random FT" not in results(folder)
    demo(quick=True, output=folder)
    printed = capsys.readouterr().out
    assert "ada3d epoch" not in printed
    assert "random-ft epoch" in printed
    assert without_seconds(folder) == without_seconds(unbroken[0])
    for name in ("selection", "classifier"):
        one, other = load_file(folder / f"{name}.safetensors"), load_file(unbroken[0] / f"{name}.safetensors")
        assert all((value == other[key]).all() for key, value in one.items())


def test_a_folder_whose_options_cannot_be_read_is_named(tmp_path: Path):
    (tmp_path / "options.json").write_text('{"seed": 0, "gam')
    with pytest.raises(ValueError, match=f"{tmp_path / 'options.json'}"):
        demo(quick=True, output=tmp_path)
