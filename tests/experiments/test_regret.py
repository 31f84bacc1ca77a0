"""How far agents are from the best possible, and runs that learn from a table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.croissant import FILE, croissant
from ada3d_gym.experiments.evaluate import evaluate
from ada3d_gym.experiments.regret import regret
from ada3d_gym.experiments.results import ResultFile
from ada3d_gym.experiments.train import train
from ada3d_gym.shipped import CLASSIFIER, TABLES, shipped_table

ENV = "Ada3D-MotionShapes-SlowOnly-v1"
VIDEOS = 28


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("regret")
    agents = ("reinforce", "ppo", "exact", "supervised")
    few = folder / "few-epochs.yaml"
    few.write_text("agents:" + "".join(f"\n  {agent}: {{epochs: 2}}" for agent in agents))
    regret(ENV, agents, 1, videos=VIDEOS, config=few, output=folder, json=folder / "r.json", picture=folder / "r.png")
    return folder


def test_nobody_is_better_than_the_best_mask_of_each_clip(compared: Path):
    found: list[dict[str, Any]] = json.loads((compared / "r.json").read_text())
    by_name = {(each["method"], each["split"]): each for each in found}
    for split in ("train", "test"):
        best = by_name["best of each clip", split]
        assert best["regret"] == pytest.approx(0, abs=1e-12)
        for each in found:
            if each["split"] == split:
                assert each["regret"] == pytest.approx(best["reward"] - each["reward"])
                assert each["regret"] >= -1e-12
    order = ["best of each clip", "best of each class", "best of each family", "best constant", "everything"]
    rewards = [by_name[name, "train"]["reward"] for name in order]
    assert rewards == sorted(rewards, reverse=True)
    assert by_name["everything", "test"]["masks"] == 1
    for agent in ("reinforce", "ppo", "exact", "supervised"):
        assert by_name[agent, "train"]["seed"] == 0
    with Image.open(compared / "r.png") as picture:
        assert picture.width > 300


def test_again_it_looks_up_what_is_there(compared: Path, capsys: pytest.CaptureFixture[str]):
    regret(ENV, ("exact",), 1, videos=VIDEOS, config=compared / "few-epochs.yaml", output=compared)
    printed = capsys.readouterr().out
    assert "epoch" not in printed
    assert "best of each family" in printed


def test_a_results_regret_is_that_of_the_table(compared: Path, tmp_path: Path):
    """The network was judged, on the same clips as the table has."""
    results = ResultFile(compared / f"{ENV}-exact-seed0" / "results.jsonl").results
    found = {each["method"]: each for each in json.loads((compared / "r.json").read_text()) if each["split"] == "test"}
    assert results["exact"].regret == pytest.approx(found["exact"]["regret"], abs=0.2)
    assert results["Upper"].regret == pytest.approx(found["everything"]["regret"], abs=0.2)
    evaluate(ENV, agent="upper", videos=VIDEOS, output=tmp_path / "e.jsonl")
    assert ResultFile(tmp_path / "e.jsonl").results["upper"].regret is not None


def test_a_run_from_a_table_keeps_the_classifier(compared: Path):
    shipped = load_file(CLASSIFIER)
    written = load_file(compared / f"{ENV}-reinforce-seed0" / "classifier.safetensors")
    assert written.keys() == shipped.keys()
    assert (written["head.weight"] == shipped["head.weight"]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"agent": "reinforce"}, "joint"),
        ({"agent": "reinforce", "set": ("joint_epochs=0",), "classifier_epochs": 1}, "classifier_epochs=1 trains"),
        ({"agent": "exact", "outcomes": None}, "exact learns from an outcome table"),
        ({"agent": "exact", "outcomes": "nowhere.safetensors"}, "no such file"),
    ],
)
def test_what_a_table_cannot_serve_is_said_at_once(tmp_path: Path, options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        train(ENV, **{"outcomes": "table", "videos": VIDEOS, "output": tmp_path / "run", **options})


def test_tables_of_a_folder_are_described(tmp_path: Path):
    path = shipped_table("motionshapes", "slowonly_tiny", 8, "val")
    shutil.copy(path, tmp_path)
    croissant(tmp_path)
    described = json.loads((tmp_path / FILE).read_text())
    (file,) = described["distribution"]
    assert file["name"] == path.name
    assert file in json.loads((TABLES / FILE).read_text())["distribution"]
    with pytest.raises(InputError, match="holds no outcome tables"):
        croissant(tmp_path / "none")
