"""Runs that the paper's tables are made of, trained on few videos."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from ada3d_gym.building import build_bandit
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.figures import plot_fronts
from ada3d_gym.experiments.paper import all as every
from ada3d_gym.experiments.paper import figure4, table5
from ada3d_gym.experiments.paper.lists import PaperRuns
from ada3d_gym.experiments.paper.options import PaperOptions
from ada3d_gym.experiments.pipeline import train_run
from ada3d_gym.experiments.runs import Run, compose
from tests.experiments.lines import read, result

ENV = "Ada3D-MotionShapes-v1"


def few(agent: str, **options: int) -> Run:
    return compose(ENV, agent, 0, options=options, environment={"videos": 14})


def test_a_run_is_judged_by_other_numbers_of_clips_too(tmp_path: Path):
    run = replace(few("reinforce", epochs=1, joint_epochs=1), also_views=(3,))
    train_run(run, tmp_path, "cpu", timed=False)
    lines = read(tmp_path / "results.jsonl")
    methods = ["Upper", "reinforce, stage 1 only", "reinforce"]
    assert lines.keys() == {*methods, *(f"{method}, 3 clips" for method in methods)}
    for method in methods:
        assert (lines[method]["judged"]["views"], lines[f"{method}, 3 clips"]["judged"]["views"]) == (4, 3)
    with np.load(tmp_path / "masks-reinforce-3-clips.npz") as masks:
        assert masks["u"].shape == (14 * 3, 8)


def test_what_runs_share_is_trained_and_judged_once(tmp_path: Path):
    run = replace(few("pretrained"), classifier_epochs=1, trunk_epochs=1)
    train_run(run, tmp_path, "cpu")
    lines = read(tmp_path / "results.jsonl")
    assert lines["pretrained"] == lines["Upper"] | {"method": "pretrained"}
    shipped = few("pretrained").bandit("train", "cpu").classifier.network.state_dict()  # type: ignore[attr-defined]
    trained = load_file(tmp_path / "pretrained.safetensors")
    assert trained.keys() == shipped.keys()
    assert any((trained[name] != shipped[name]).any() for name in trained)
    assert (tmp_path / "trunk.safetensors").exists()


def test_a_table_is_printed_and_a_second_start_trains_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    options = PaperOptions(seeds=1, quick=True, videos=14, output=tmp_path, json=tmp_path / "five.json")
    table5.table5(options)
    printed = capsys.readouterr().out
    assert "agent epoch 1" in printed
    for row in ("Upper", "no Tr, no FT", "Tr", "FT", "Tr + FT"):
        assert f"| {row} " in printed
    assert "77.8 (-0.3) at 61 %" in printed  # the paper's
    table5.table5(options)
    again = capsys.readouterr().out
    assert "epoch" not in again
    assert again.strip().splitlines()[0] in printed


@pytest.mark.slow
def test_everything_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    every.all_tables(PaperOptions(seeds=1, quick=True, output=tmp_path))
    printed = capsys.readouterr().out
    for title in ("Table 1", "Table 2", "Table 3", "Table 4", "Table 5", "Table 6", "Figure 3", "figure4-"):
        assert title in printed


def test_the_dearest_and_the_cheapest_clip_of_a_class_are_found():
    bandit = build_bandit(split="test", videos=42)
    count = len(bandit.source)
    u, v = np.ones((count, 8), np.bool_), np.ones((count, 5), np.bool_)
    scenes = bandit.source.labels(np.arange(count)) < 4
    u[scenes] = False
    u[scenes, 0] = True  # one frame does for textures
    u[0, :3] = True
    pairs = figure4.extremes(bandit, u, v)
    macs = bandit.classifier.macs(u, v)
    assert len(pairs) >= 10
    for cheap, dear in pairs:
        labels = bandit.source.labels(np.array([cheap, dear]))
        assert labels[0] == labels[1]
        assert macs[cheap] <= macs[dear]
        assert cheap // bandit.source.views != dear // bandit.source.views
    families = [bandit.source.record(cheap).family for cheap, _ in pairs]
    assert families == sorted(families, key=lambda family: family != "scene")  # the cheap classes first


def test_fronts_are_drawn_in_the_sets_metric(tmp_path: Path):
    points = [[result("Ada3D", gmacs=30.0 + gamma, seed=seed) for seed in range(3)] for gamma in range(3)]
    path = tmp_path / "front.png"
    plot_fronts({"Ada3D": points, "Upper": points[:1]}, path, metric="mAP", printed={"paper": [(42.2, 82.6)]})
    with Image.open(path) as picture:
        assert min(picture.size) > 400


def test_runs_that_another_process_has_are_left_out(tmp_path: Path):
    runs = PaperRuns(PaperOptions(output=tmp_path))
    rows = runs.rows("Ada3D")
    assert len(rows) == 3
    assert runs.done(rows) == []  # nothing is finished yet


def test_a_folder_of_before_other_numbers_of_clips_goes_on(tmp_path: Path):
    run = few("upper")
    train_run(run, tmp_path, "cpu", timed=False)
    assert "also_views" not in json.loads((tmp_path / "options.json").read_text())
    assert [each.method for each in train_run(run, tmp_path, "cpu", timed=False)] == ["Upper", "upper"]
    with pytest.raises(InputError, match=r"holds another run \(also_views: None there, \[3\] now\)"):
        train_run(replace(run, also_views=(3,)), tmp_path, "cpu", timed=False)
