"""What a report says of runs that are there, that are missing, and that are not what they seem."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.stats import trim_mean

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.games import task_game
from ada3d_gym.experiments.benchmark.record import read_record
from ada3d_gym.experiments.benchmark.references import (
    CHANCE,
    CLASS,
    CONSTANT,
    FAMILY,
    ORACLE,
    UPPER,
    TaskReferences,
)
from ada3d_gym.experiments.benchmark.report import report
from ada3d_gym.experiments.benchmark.suite import read_suite
from tests.experiments.benchmark.records import write_records

SUITE = "quick"
SKILLS = {"ppo": 0.6, "reinforce@self-critical": 0.8, "a2c": 0.3}
FAST = 200  # resamples


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three bandit agents, one that is told everything and one that learns nothing; three seeds each."""
    folder = tmp_path_factory.mktemp("benchmark")
    suite = read_suite(SUITE)
    write_records(folder, suite, SKILLS)
    write_records(folder, suite, {"exact": 0.9}, feedback="full")
    write_records(folder, suite, {"random": 0.05}, feedback="none", pulls=0)
    return folder


@pytest.fixture(scope="module")
def reported(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("report")
    report(SUITE, output=written, resamples=FAST, to=to)
    return to


@pytest.fixture
def copied(written: Path, tmp_path: Path) -> Path:
    """Records that a test may change."""
    return Path(shutil.copytree(written, tmp_path / "runs"))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the pictures out, which take most of a report's time, where others draw the same ones."""
    monkeypatch.setattr("ada3d_gym.experiments.benchmark.report.draw_all", lambda comparison, folder: [])


def summary(to: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((to / "summary.json").read_text())
    return content


def agent(to: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in summary(to)["agents"] if each["name"] == name)
    return found


def records(output: Path, agent: str = "*", track: str = "heads") -> list[Path]:
    return sorted((output / SUITE / track).glob(f"*/{agent}/seed*.json"))


def change(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_bandit_agents_are_ranked_by_iqm_and_others_stand_apart(reported: Path):
    ranks = {each["name"]: each["rank"] for each in summary(reported)["agents"]}
    assert list(ranks)[:5] == ["reinforce@self-critical", "ppo", "a2c", "exact", "random"]
    assert list(ranks.values())[:5] == [1, 2, 3, None, None]
    assert list(ranks)[5:] == [CONSTANT, FAMILY, CLASS, ORACLE, UPPER, CHANCE]


def test_scores_are_those_of_the_records(written: Path, reported: Path):
    scores = []
    for path in records(written, "ppo"):
        record = read_record(path)
        train, test = task_game(record.task, "train"), task_game(record.task, "test")
        constant, oracle = test.value(train.best_constant().mask), test.oracle().mean
        scores.append((test.value(record.mask_array()) - constant) / (oracle - constant))
    found = agent(reported, "ppo")
    assert found["score"]["iqm"]["value"] == pytest.approx(trim_mean(scores, 0.25))
    assert found["score"]["mean"]["value"] == pytest.approx(np.mean(scores))
    low, high = found["score"]["iqm"]["interval"]
    assert low < found["score"]["iqm"]["value"] < high
    assert found["curve"]["value"][-1] == pytest.approx(found["score"]["iqm"]["value"])
    with (reported / "results.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["agent"] == "ppo"]
    assert sorted(float(row["score"]) for row in rows) == pytest.approx(sorted(scores))


def test_references_frame_the_scale(reported: Path):
    for name, iqm in ((CONSTANT, 0), (ORACLE, 1)):
        found = agent(reported, name)
        assert found["score"]["iqm"] == {"value": pytest.approx(iqm), "interval": None}
        assert found["runs"] == 0
    mean = {name: agent(reported, name)["score"]["mean"]["value"] for name in (UPPER, CONSTANT, FAMILY, CLASS, ORACLE)}
    assert list(mean.values()) == sorted(mean.values())


def test_chance_is_the_mean_over_all_masks():
    its = TaskReferences(read_suite(SUITE).tasks[0])
    found = its.rows[CHANCE].test
    game = its.test
    drawn = np.random.default_rng(0).integers(0, 2, (len(game), game.table.num_frames + game.table.num_stages))
    assert found.reward == pytest.approx(game.value(drawn), abs=0.1)
    assert found.macs == game.table.macs.mean()
    assert found.regret == pytest.approx(game.oracle().mean - found.reward)


def test_pairs_and_fronts(reported: Path):
    found = summary(reported)
    shares = {(each["agent"], each["over"]): each["value"] for each in found["improvement"]}
    assert shares["reinforce@self-critical", "ppo"] == 1
    assert shares["ppo", "reinforce@self-critical"] == 0
    assert shares["ppo", CONSTANT] == 1
    (front,) = found["fronts"]
    covered = {each["name"]: each["hypervolume"]["value"] for each in front["agents"]}
    assert covered["reinforce@self-critical"] > covered["ppo"] > covered["a2c"]
    assert covered[ORACLE] == max(covered.values())
    assert covered[UPPER] == 0
    assert covered[CONSTANT] <= front["all_constants"]["hypervolume"] < covered[FAMILY]


def test_all_files_are_there_and_the_page_asks_for_nothing(reported: Path, capsys: pytest.CaptureFixture[str]):
    names = ("overview", "intervals", "curves", "profiles", "improvement", "fronts")
    for name in names:
        with Image.open(reported / f"{name}.png") as picture:
            assert picture.width > 400
        assert "<svg" in (reported / f"{name}.svg").read_text()
    page = (reported / "report.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == len(names)
    assert not re.search(r'(src|href)="(?!data:)|url\(|@import|<script|<link', page)
    assert "reinforce@self-critical" in page
    text = (reported / "report.txt").read_text()
    assert max(map(len, text.splitlines())) < 200
    with (reported / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["task"] for row in rows} == {"", *(task.name for task in read_suite(SUITE).tasks)}


def test_the_same_records_give_the_same_report(written: Path, reported: Path, tmp_path: Path):
    report(SUITE, output=written, resamples=FAST, to=tmp_path)
    for path in reported.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


@pytest.mark.usefixtures("undrawn")
def test_other_agents_change_no_interval(written: Path, reported: Path, tmp_path: Path):
    report(SUITE, output=written, agents=("ppo", "a2c"), resamples=FAST, to=tmp_path)
    assert agent(tmp_path, "ppo")["score"] == agent(reported, "ppo")["score"]
    assert [each["name"] for each in summary(tmp_path)["agents"]][:3] == ["ppo", "a2c", CONSTANT]


def test_an_agent_without_all_tasks_is_listed_and_not_ranked(copied: Path, capsys: pytest.CaptureFixture[str]):
    for path in records(copied, "reinforce@self-critical")[:3]:
        path.unlink()
    for path in records(copied, "a2c")[:1]:  # one seed less on one task only
        path.unlink()
    for path in records(copied, "ppo")[1:3]:
        path.unlink()
    report(SUITE, output=copied, resamples=FAST)
    printed = " ".join(capsys.readouterr().out.split())
    task = read_suite(SUITE).tasks[0].name
    assert f"reinforce@self-critical: not ranked, since it has no runs of {task}." in printed
    assert "every task weighs the same" in printed
    assert "no intervals" in printed
    to = copied / SUITE / "heads" / "report"
    found = agent(to, "reinforce@self-critical")
    assert (found["rank"], found["score"], found["complete"]) == (None, None, False)
    assert list(found["tasks"]) == [read_suite(SUITE).tasks[1].name]
    assert agent(to, "ppo")["rank"] == 1
    assert agent(to, "ppo")["score"]["iqm"]["interval"] is None  # one seed of one task
    assert agent(to, "a2c")["score"]["iqm"]["interval"] is not None


@pytest.mark.usefixtures("undrawn")
def test_diverged_runs_count_and_are_counted(copied: Path, capsys: pytest.CaptureFixture[str]):
    change(records(copied, "ppo")[0], diverged="loss is nan")
    report(SUITE, output=copied, resamples=FAST)
    assert "ppo: 1 of 6 runs diverged" in capsys.readouterr().out
    found = agent(copied / SUITE / "heads" / "report", "ppo")
    assert (found["diverged"], found["runs"]) == (1, 6)


@pytest.mark.usefixtures("undrawn")
def test_what_does_not_belong_is_left_out_by_name(copied: Path, capsys: pytest.CaptureFixture[str]):
    ppo = records(copied, "ppo")
    ppo[0].write_text(ppo[0].read_text()[:100])
    change(ppo[1], suite="motionshapes")
    change(ppo[2], clips_sha256="0" * 64)
    task = json.loads(ppo[3].read_text())["task"]
    change(ppo[3], task=task | {"pulls": 7})
    change(ppo[4], seed=5)  # which ppo[5] has from here on
    change(ppo[5], seed=5)
    change(records(copied, "a2c")[0], options={"lr": 0.1})
    report(SUITE, output=copied, agents=("ppo", "a2c"), resamples=FAST)
    told = capsys.readouterr().err
    for path, why in zip(
        [ppo[0], ppo[1], ppo[2], ppo[3], ppo[5]],
        ["no record", "of suite motionshapes", "other clips", "pulls: 7 there, 3360 in the suite", "already"],
        strict=True,
    ):
        assert re.search(f"warning: left out: {re.escape(str(path))}.*{why}", told)
    assert "a2c on motionshapes-slowonly-8-usage-gamma2: seeds 0 and 1 have different options" in told
    assert len(summary(copied / SUITE / "heads" / "report")["warnings"]) == 6


def test_runs_that_change_the_classifier_may_exceed_the_scale(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    suite = read_suite(SUITE)
    worth = {"reward": 1.95, "accuracy": 1.0, "macs": 1e6, "masks": 5, "regret": None}
    for path in write_records(tmp_path, suite, {"reinforce": 0.5}, (0, 1), track="full"):
        change(path, test=worth, train=None, curve=[], classifier_sha256="f" * 64)
    report(SUITE, "full", tmp_path, resamples=FAST)
    assert "they may exceed 1" in " ".join(capsys.readouterr().out.split())
    found = agent(tmp_path / SUITE / "full" / "report", "reinforce")
    assert found["score"]["iqm"]["value"] > 1
    assert found["score"]["optimality_gap"]["value"] == 0
    assert found["means"]["regret"] is None


def test_there_must_be_something_to_report(copied: Path, tmp_path: Path):
    with pytest.raises(InputError, match="has no records: run `ada3d benchmark run quick`"):
        report(SUITE, output=tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no runs of pppo: expected some of .*did you mean ppo"):
        report(SUITE, output=copied, agents=("pppo",))
    with pytest.raises(InputError, match="resamples=0"):
        report(SUITE, output=copied, resamples=0)
    for path in records(copied):
        change(path, format=99)
    with pytest.raises(
        InputError, match=r"no record can be used; .*seed0.json: no record of a benchmark run of format 1"
    ):
        report(SUITE, output=copied)
