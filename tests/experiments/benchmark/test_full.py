"""The full track trains what is missing, and writes tables, pictures and records of it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from ada3d_gym.agents import search
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.full import FullOptions, compose_task, run_full
from ada3d_gym.experiments.benchmark.jobs import record_path
from ada3d_gym.experiments.benchmark.record import Record, read_record
from ada3d_gym.experiments.benchmark.suite import BenchmarkTask, Suite, read_suite
from ada3d_gym.experiments.intervals import interval
from ada3d_gym.experiments.judging import load_masks
from ada3d_gym.experiments.train import train
from ada3d_gym.shipped import CLASSIFIER

ENV = "Ada3D-MotionShapes-v1"
TASK = "motionshapes-i3d-8-usage-gamma6"
FEW = FullOptions(videos=14, rivals="none")


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small runs are trained sooner than other processes are started."""
    monkeypatch.setattr("ada3d_gym.experiments.plan.processes", lambda device: 1)


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is of interest in one test only."""
    monkeypatch.setattr("ada3d_gym.experiments.benchmark.full.time_rows", lambda rows, device: None)


def compare(
    output: Path, *agents: str, seeds: int = 1, suite: Suite | None = None, options: FullOptions = FEW
) -> dict[str, dict[str, Any]]:
    """The rows of the first task by method, as JSON has them."""
    tasks = suite or read_suite(ENV)
    run_full(tasks, agents, seeds, output, options=options, device="cpu")
    written = output / tasks.name / "full" / "full.json"
    return {row["method"]: row for row in json.loads(written.read_text())["tables"][0]["rows"]} if agents else {}


def task_folder(output: Path) -> Path:
    return output / ENV / "full" / TASK


def test_intervals_are_students_from_three_values_on():
    assert interval([3.0]) == "3.00"
    assert interval([98.0, 99.86]) == "98.93 (98.00 to 99.86)"  # Student's t would make it ± 11.82
    assert interval([2.0, 2.0]) == "2.00"
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0]) == "3.00 ± 1.96"  # 2.776 · 1.5811 / √5
    assert interval([2.0, 2.0, 2.0]) == "2.00 ± 0.00"


@pytest.mark.parametrize(
    ("agents", "options", "complaint"),
    [
        (("uniform", "reinforse"), FEW, "unknown agent 'reinforse'"),
        (("reinforce@papre",), FEW, "option of reinforce: unknown preset 'papre': expected one of paper"),
        (("uniform", "ppo"), FullOptions(sets=("epoch=2",)), "epoch=2: none of uniform, ppo has an option 'epoch'"),
        (("uniform", "ppo"), FullOptions(sets=("epochs=two",)), "option of ppo: epochs: .*integer.*'two'"),
        (("uniform",), FullOptions(config=Path("none.yaml")), r"none\.yaml: no such file"),
        ((), FEW, "no agents: expected at least one"),
    ],
)
def test_what_is_misspelt_is_named_before_any_is_trained(
    tmp_path: Path, agents: tuple[str, ...], options: FullOptions, complaint: str
):
    with pytest.raises(InputError, match=complaint):
        compare(tmp_path, *agents, options=options)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("untimed")
def test_a_table_for_each_task_and_a_front_for_all_gammas(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    tasks = tuple(BenchmarkTask(ENV, gamma=gamma) for gamma in (6.0, 1.0))
    compare(tmp_path, "uniform", suite=Suite("two", tasks))
    folder = tmp_path / "two" / "full"
    (front,) = folder.glob("front-*.png")
    assert front.stat().st_size > 0
    text = (folder / "full.txt").read_text()
    assert text in capsys.readouterr().out + "\n"
    first, second = (text.index(task.name) for task in tasks)
    assert text[first:second].count("| Upper ") == text[first:second].count("| uniform ") == 1
    assert text[second:].count("| Upper ") == text[second:].count("| uniform ") == 1
    assert text.endswith("\n\nOne run each: no intervals.\n")
    rows = list(csv.DictReader((folder / "full.csv").open()))
    assert [(row["table"], row["method"], row["runs"]) for row in rows] == [
        (task.name, method, "1") for task in tasks for method in ("Upper", "uniform")
    ]
    assert float(rows[0]["frames"]) == 8.0
    assert rows[0]["frames_half_interval"] == ""


@pytest.mark.usefixtures("untimed")
def test_only_what_is_missing_is_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    compare(tmp_path, "upper", "uniform")
    first = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("agent.pt")}
    capsys.readouterr()
    rows = compare(tmp_path, "upper", "uniform", seeds=2)
    assert len(list(tmp_path.rglob("agent.pt"))) == 4
    assert all(path.stat().st_mtime_ns == when for path, when in first.items())
    printed = capsys.readouterr().out
    assert " ± " not in printed.partition("Means of runs")[0]
    assert "of fewer than 3 runs there is none" in printed
    assert {name: row["runs"] for name, row in rows.items()} == {"Upper": 2, "upper": 2, "uniform": 2}


@pytest.mark.usefixtures("untimed")
def test_a_run_that_is_asked_for_twice_counts_once(tmp_path: Path):
    rows = compare(tmp_path, "upper", "upper")
    assert {name: row["runs"] for name, row in rows.items()} == {"Upper": 1, "upper": 1}


@pytest.mark.usefixtures("untimed")
def test_a_run_of_another_process_is_left_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    busy = task_folder(tmp_path) / "upper" / "seed1"
    busy.mkdir(parents=True)
    with FileLock(busy / "run.lock"):
        assert compare(tmp_path, "upper", seeds=2)["upper"]["runs"] == 1
        assert f"{busy}: left to the process that works in it" in capsys.readouterr().out
        with pytest.raises(ValueError, match=f"another process works in {busy}.*--output"):
            train(ENV, "upper", seed=1, videos=14, output=busy)
    assert compare(tmp_path, "upper", seeds=2)["upper"]["runs"] == 2


@pytest.mark.usefixtures("untimed")
def test_agents_of_one_class_name_in_two_modules_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for module, frame in (("mine_a", 0), ("mine_b", 7)):
        (tmp_path / f"{module}.py").write_text(
            "import numpy as np\nfrom agents.agent import Agent\n\n"
            "class One(Agent):\n    def act(self, observations, deterministic=True):\n"
            f"        return np.tile(np.arange(13) == {frame}, (len(observations), 1)).astype(np.int8)\n"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    compare(tmp_path / "runs", "mine_a:One", "mine_b:One")
    names = [folder.name for folder in sorted(task_folder(tmp_path / "runs").iterdir())]
    assert names == ["Upper", "mine_a.One", "mine_b.One"]
    for name, frame in (("mine_a", 0), ("mine_b", 7)):
        record = read_record(task_folder(tmp_path / "runs") / f"{name}.One" / "seed0.json")
        assert record.agent == f"{name}:One"
        assert (record.mask_array() == (np.arange(13) == frame)).all()


def test_rivals_spend_what_the_first_agent_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(search, "EXHAUSTIVE_BITS", 0)  # fewer candidates
    config = tmp_path / "mine.yaml"
    config.write_text("agents: {random: {frames: 5, stages: 0.5}, best-fixed: {clips: 1}}\n")
    options = FullOptions(videos=14, config=config, sets=("joint_epochs=1",))
    rows = compare(tmp_path, "random", options=options)
    assert list(rows) == [
        "Upper",
        "random",
        "Fixed",
        *(
            f"{name} as random"
            for name in ("Random", "Random FT", "Fixed FT at same operations", "Fixed FT at same accuracy")
        ),
    ]
    spent = rows["random"]["gmacs_total"]["mean"]
    assert rows["Random as random"]["gmacs"]["mean"] == pytest.approx(spent, rel=0.1)
    assert rows["Fixed FT at same operations as random"]["gmacs"]["mean"] <= spent
    assert all(row["milliseconds"]["mean"] > 0 for row in rows.values())

    def tuned(method: str) -> bool:
        folder = record_path(tmp_path, ENV, "full", TASK, method, 0).with_suffix("")
        return not torch.equal(
            load_file(folder / "classifier.safetensors")["head.weight"], load_file(CLASSIFIER)["head.weight"]
        )

    assert [name for name in rows if name != "Upper" and tuned(name)] == [
        name for name in rows if name == "random" or " FT " in name
    ]
    for name in rows:
        assert read_record(record_path(tmp_path, ENV, "full", TASK, name, 0)).agent == name
    assert len(list(task_folder(tmp_path).glob("*/seed0.json"))) == len(rows)


@pytest.mark.usefixtures("untimed")
@pytest.mark.filterwarnings("ignore::agents.figures.CollapseWarning")
def test_a_record_has_what_the_run_reached(tmp_path: Path):
    options = FullOptions(
        videos=14,
        rivals="none",
        sets=("epochs=1", "joint_epochs=1", "num_envs=4", "n_steps=4", "samples=2", "batch_size=8"),
    )
    rows = compare(tmp_path, "ppo", "reinforce", options=options)

    def recorded(method: str) -> Record:
        return read_record(task_folder(tmp_path) / method / "seed0.json")

    for name, pulls in (("ppo", 2 * 16), ("reinforce", 2 * 14 * 2)):
        record, row = recorded(name), rows[name]
        assert (record.suite, record.track, record.seed, record.feedback) == (ENV, "full", 0, "bandit")
        assert record.task == read_suite(ENV).tasks[0]
        assert record.pulls == pulls
        assert record.options["joint_epochs"] == 1
        assert record.test.reward == row["reward"]["mean"]
        assert record.test.macs == pytest.approx(1e9 * row["gmacs"]["mean"], abs=1000)
        assert record.macs_selection == pytest.approx(1e9 * row["gmacs_selection"]["mean"])
        assert record.test.masks == len(np.unique(record.mask_array(), axis=0))
        masks = np.concatenate(load_masks(task_folder(tmp_path) / name / "seed0", name), axis=1)
        assert (record.mask_array() == masks).all()
        assert record.seconds > 0
    upper = recorded("Upper")
    assert upper.mask_array().all()
    assert (upper.feedback, upper.pulls, upper.macs_selection, upper.test.masks) == ("none", 0, 0, 1)
    assert 0.9 < upper.test.accuracy <= 1


def run_of(label: str, task: BenchmarkTask | None = None, *, rival: bool = False, **chosen: Any) -> Any:
    return compose_task(label, task=task or BenchmarkTask(ENV), seed=0, chosen=FullOptions(**chosen), rival=rival)


def test_a_task_says_what_is_paid_and_what_is_shown():
    task = BenchmarkTask(ENV, gamma=1.5, cost="macs", reward="margin", environment={"stride": 2})
    run = run_of("ppo", task, size=48, backbone="slowonly_tiny")
    assert run.gamma == 1.5
    assert run.environment == {
        "stride": 2,
        "size": 48,
        "backbone": "slowonly_tiny",
        "cost": "macs",
        "reward": "margin",
    }
    assert run_of("ppo").environment == {}


def test_an_agent_gets_the_options_that_it_has():
    sets = ("samples=7", "n_steps=3")
    assert run_of("reinforce", sets=sets).options["samples"] == 7
    assert run_of("ppo", sets=sets).options["n_steps"] == 3
    assert run_of("reinforce@paper", sets=sets).options["epochs"] == 40
    assert run_of("random", sets=("joint_epochs=3",)).options["joint_epochs"] == 3
    assert run_of("random", sets=("joint_epochs=3",), rival=True).options["joint_epochs"] == 0


def test_quick_means_few_videos_and_one_epoch_of_each_kind_but_what_is_asked_for():
    run = run_of("ppo", quick=True)
    assert (run.options["epochs"], run.options["joint_epochs"], run.environment) == (1, 1, {"videos": 140})
    run = run_of("ppo", quick=True, videos=14, sets=("epochs=3",))
    assert (run.options["epochs"], run.options["joint_epochs"], run.environment) == (3, 1, {"videos": 14})
    assert run_of("best-fixed", quick=True, rival=True).options["clips"] == 1
    own = run_of("reinforce", BenchmarkTask("Ada3D-FCVID-v0"), quick=True)
    assert (own.classifier_epochs, own.trunk_epochs) == (1, 1)


def test_what_is_trained_first_is_trained_once_for_all_agents_gammas_and_seeds(tmp_path: Path):
    config = tmp_path / "config.yaml"
    config.write_text("classifier_epochs: 1\ntrunk_epochs: 1\n")
    suite = read_suite(ENV, (1.0, 3.0))
    options = replace(FEW, config=config, quick=True)
    compare(tmp_path, "reinforce", "uniform", seeds=2, suite=suite, options=options)
    folders = [path.parent for path in (tmp_path / suite.name / "full").rglob("options.json")]
    first = [folder for folder in folders if folder.name.startswith("pretrained-")]
    assert len(first) == 1
    assert (first[0] / "trunk.safetensors").exists()
    assert len(folders) == 1 + 2 * 2 * 2
    trained = load_file(first[0] / "pretrained.safetensors")
    for folder in folders:
        assert not (folder / "classifier.pt").exists() or folder in first
        own = load_file(folder / "pretrained.safetensors")
        assert all(torch.equal(own[name], trained[name]) for name in trained)
