"""The demo, start to end, on few videos; and what a SIGKILL does to it, which is nothing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file

from ada3d_gym.agents.search import read_constants
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.demo import demo
from ada3d_gym.experiments.evaluate import evaluate
from tests.experiments.lines import read, timeless
from tests.frugal import DEMO_VIDEOS
from tests.processes import kill_when, start

METHODS = [
    "Upper",
    "2D only",
    "Random",
    "Random FT",
    "Fixed",
    "Fixed FT (same operations)",
    "Fixed FT (same accuracy)",
    "Ada3D, stage 1 only",
    "Ada3D",
]


def results(folder: Path) -> dict[str, dict[str, Any]]:
    return read(folder / "results.jsonl")


def test_every_method_has_a_line_and_a_row(quick_demo: tuple[Path, str]):
    folder, printed = quick_demo
    assert list(results(folder)) == METHODS
    rows = [row for row in printed.splitlines() if any(row.startswith(f"{method}  ") for method in METHODS)]
    assert [row.split("  ")[0] for row in rows] == METHODS
    for line in results(folder).values():
        assert 0 <= line["top1"] <= 100
        assert 0 < line["gmacs"] < 1
        assert line["milliseconds"] > 0
        assert line["seed"] == 0
        assert set(line["by_family"]) == {"scene", "object", "motion"}
    for header in ("reward", "top-1", "mAP", "MMACs", "selection", "total", "ms a clip", "# 3D", "# frames", "masks"):
        assert header in printed
    assert str(folder) in printed


def test_methods_use_what_their_names_say(quick_demo: tuple[Path, str]):
    lines = results(quick_demo[0])
    upper, flat, learned = lines["Upper"], lines["2D only"], lines["Ada3D"]
    assert (upper["frames"], upper["stages"], upper["distinct_masks"]) == (8, 5, 1)
    assert (flat["frames"], flat["stages"], flat["distinct_masks"]) == (8, 0, 1)
    for method, line in lines.items():
        assert line["gmacs"] <= upper["gmacs"]
        assert (line["gmacs_selection"] > 0) == method.startswith("Ada3D")
        assert (line["milliseconds_selection"] > 0) == method.startswith("Ada3D")
    total = min(learned["gmacs"] + learned["gmacs_selection"], upper["gmacs"])
    for method in ("Random", "Random FT"):
        assert lines[method]["gmacs"] == pytest.approx(total, rel=0.05)
    for method in ("Fixed", "Fixed FT (same operations)", "Fixed FT (same accuracy)"):
        assert lines[method]["distinct_masks"] == 1
    assert lines["Fixed FT (same operations)"]["gmacs"] <= total + 1e-6


def test_upper_is_judged_once(quick_demo: tuple[Path, str]):
    folder, _ = quick_demo
    lines = [path.read_text().splitlines()[0] for path in folder.glob("*/results.jsonl")]
    uppers = [timeless(json.loads(line)) for line in lines]
    assert len(lines) == 8
    assert {each["run"]["agent"] for each in uppers if each["method"] == "Upper"} == {"upper"}


def test_every_run_of_the_list_is_one_of_train(quick_demo: tuple[Path, str], tmp_path: Path):
    folder, _ = quick_demo
    for name, line in (("fixed-ft-operations", "fixed"), ("reinforce", "reinforce")):
        evaluate(str(folder / name), output=tmp_path / f"{name}.jsonl")
        assert timeless(read(tmp_path / f"{name}.jsonl")[line]) == timeless(read(folder / name / "results.jsonl")[line])
    front = read_constants(folder / "best-fixed")
    assert front[-1].mask == "1" * 13


def test_pictures_logs_and_weights_are_there(quick_demo: tuple[Path, str]):
    folder, _ = quick_demo
    for name in ("accuracy-macs", "accuracy-time", "masks", "masks-scene", "masks-object", "masks-motion"):
        with Image.open(folder / f"{name}.png") as picture:
            assert min(picture.size) > 300
    for name in ("selection", "classifier"):
        assert load_file(folder / "reinforce" / f"{name}.safetensors")
    assert len(list(folder.glob("*/tensorboard/agent/events*"))) >= 4


def test_the_json_has_the_rows_and_all_results(quick_demo: tuple[Path, str]):
    folder, _ = quick_demo
    written = json.loads(Path(f"{folder}.json").read_text())
    assert [row["method"] for row in written["tables"][0]["rows"]] == METHODS
    for row, line in zip(written["tables"][0]["rows"], results(folder).values(), strict=True):
        assert row["gmacs_total"]["mean"] == pytest.approx(line["gmacs"] + line["gmacs_selection"])
        assert row["top1"] == {"mean": line["top1"], "half_interval": None}


def test_a_finished_demo_started_again_changes_nothing(
    quick_demo: tuple[Path, str], capsys: pytest.CaptureFixture[str]
):
    folder, _ = quick_demo
    before = {path: path.read_bytes() for path in [folder / "results.jsonl", *folder.glob("*/results.jsonl")]}
    demo(quick=True, output=folder)
    assert {path: path.read_bytes() for path in before} == before
    printed = capsys.readouterr().out
    assert "Random FT" in printed
    assert " epoch " not in printed


@pytest.mark.parametrize(
    ("options", "told"), [({"seed": 1}, "seed"), ({"gamma": 2.0}, "gamma"), ({"quick": False}, "epochs")]
)
def test_a_folder_holds_one_list(quick_demo: tuple[Path, str], options: dict[str, Any], told: str):
    with pytest.raises(ValueError, match=f"{quick_demo[0]} holds another run .*{told}: .* there, .* now.*--output"):
        demo(**{"quick": True, "output": quick_demo[0], **options})


SMALLER = f"""
from ada3d_gym.experiments import cli, demo
demo.QUICK_VIDEOS = {DEMO_VIDEOS}
cli.run(demo.demo)
"""


@pytest.mark.slow
def test_a_demo_that_was_killed_twice_ends_like_an_unbroken_one(
    quick_demo: tuple[Path, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    folder = tmp_path / "killed"
    command = ["-c", SMALLER, "--quick", "--output", str(folder)]
    kill_when(start(*command), (folder / "reinforce" / "agent.pt").exists)
    assert "reinforce" not in results(folder / "reinforce")
    kill_when(start(*command), lambda: "reinforce" in results(folder / "reinforce"))
    assert "fixed" not in results(folder / "fixed-ft-accuracy")
    capfd.readouterr()
    demo(quick=True, output=folder)
    printed = capfd.readouterr().out
    assert not re.search(r"reinforce\W+agent epoch", printed)
    assert re.search(r"fixed-ft-accuracy\W+agent epoch", printed)
    ours, theirs = ({method: timeless(line) for method, line in results(at).items()} for at in (folder, quick_demo[0]))
    for line in [*ours.values(), *theirs.values()]:
        line["judged"].pop("checkpoint")  # in another folder
    assert ours == theirs
    for name in ("selection", "classifier"):
        one, other = (load_file(at / "reinforce" / f"{name}.safetensors") for at in (folder, quick_demo[0]))
        assert all((value == other[key]).all() for key, value in one.items())


def test_a_folder_whose_options_cannot_be_read_is_named(tmp_path: Path):
    (tmp_path / "options.json").write_text('{"seed": 0, "gam')
    with pytest.raises(ValueError, match=f"{tmp_path / 'options.json'}"):
        demo(quick=True, output=tmp_path)


def test_what_is_no_file_of_results_is_noticed_before_anything_is_trained(tmp_path: Path):
    (tmp_path / "results.jsonl").write_text("mine\n")
    with pytest.raises(ValueError, match=r"results\.jsonl: not a file of results"):
        demo(quick=True, output=tmp_path)
    assert not (tmp_path / "upper").exists()


@pytest.mark.parametrize("name", ["reinforce/masks-reinforce.npz", "best-fixed/constants.json"])
def test_a_damaged_file_of_a_run_is_named_with_the_folder_to_delete(
    name: str, quick_demo: tuple[Path, str], tmp_path: Path
):
    folder = tmp_path / "copy"
    shutil.copytree(quick_demo[0], folder)
    (folder / name).write_bytes((folder / name).read_bytes()[:100])
    with pytest.raises(InputError, match=f"{name}.*delete {(folder / name).parent}, and start the command again"):
        demo(quick=True, output=folder)
