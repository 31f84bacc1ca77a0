"""`--profile` changes no result, and says where all of the time went."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ada3d_gym import parallel, tracing
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.evaluate import evaluate
from ada3d_gym.experiments.predict import predict
from ada3d_gym.experiments.profiles import (
    EVALUATED,
    PROFILE,
    added,
    keep_profile,
    profile_table,
    profiled,
    read_profile,
)
from ada3d_gym.experiments.train import train
from ada3d_gym.profiling import recorded, section
from tests.experiments.lines import read, timeless

MOTION = "Ada3D-MotionShapes-v1"


def trained(folder: Path, agent: str, *options: str, **more: Any) -> dict[str, Any]:
    train(MOTION, agent, videos=14, set=options, output=folder, **more)
    return {name: timeless(line) for name, line in read(folder / "results.jsonl").items()}


def shares(phase: dict[str, Any]) -> list[float]:
    return [each["seconds"] / phase["seconds"] for each in phase["sections"].values()]


@pytest.mark.parametrize(
    ("agent", "options", "spent"),
    [
        (
            "reinforce",
            ("epochs=1", "joint_epochs=1", "batch_size=8", "samples=2"),
            {"decoding", "transfer", "selection", "classifier", "policy updates", "classifier updates"},
        ),
        pytest.param(
            "ppo",
            ("epochs=1", "joint_epochs=1", "num_envs=8", "n_steps=1", "batch_size=8", "classifier_batch=8"),
            {"environment", "selection", "classifier", "policy updates", "classifier updates"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_training_is_the_same_and_its_time_is_shared_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], agent: str, options: tuple[str, ...], spent: set[str]
):
    plain = trained(tmp_path / "plain", agent, *options, classifier_epochs=1, trunk_epochs=1)
    assert not (tmp_path / "plain" / PROFILE).exists()
    capsys.readouterr()
    begun = time.perf_counter()
    with_profile = trained(tmp_path / "own", agent, *options, classifier_epochs=1, trunk_epochs=1, profile=True)
    wall = time.perf_counter() - begun
    for lines in (plain, with_profile):
        for line in lines.values():
            del line["run"], line["judged"]  # which name the folder
    assert with_profile == plain
    for file in (tmp_path / "plain").glob("*.safetensors"):
        other = load_file(tmp_path / "own" / file.name)
        assert all(torch.equal(value, other[name]) for name, value in load_file(file).items()), file.name

    phases = json.loads((tmp_path / "own" / PROFILE).read_text())["phases"]
    assert [*phases] == ["setup", "trunk", "classifier", "judged", "agent", "timed"]
    assert spent <= phases["agent"]["sections"].keys()
    assert phases["classifier"]["sections"]["classifier updates"]["clips"] == 14
    assert phases["trunk"]["sections"]["updates"]["clips"] == 14
    for phase in phases.values():
        assert all(share >= 0 for share in shares(phase))
        assert sum(shares(phase)) == pytest.approx(1)
        assert phase["peak_memory"] > 0
    assert 0 < sum(phase["seconds"] for phase in phases.values()) <= wall
    shown = capsys.readouterr().out
    assert "classifier updates" in shown
    assert "peak memory" in shown
    events = EventAccumulator(str(tmp_path / "own" / "tensorboard" / "agent"))
    events.Reload()
    assert "profile/policy_updates" in events.Tags()["scalars"]


def test_a_run_that_goes_on_adds_to_its_profile(tmp_path: Path):
    trained(tmp_path, "reinforce", "epochs=1", "joint_epochs=0", "batch_size=8", profile=True)
    first = read_profile(tmp_path / PROFILE)
    (tmp_path / "classifier.safetensors").unlink()
    trained(tmp_path, "reinforce", "epochs=1", "joint_epochs=0", "batch_size=8", profile=True)
    second = read_profile(tmp_path / PROFILE)
    assert (first["commands"], second["commands"]) == (1, 2)
    assert second["phases"]["setup"]["seconds"] > first["phases"]["setup"]["seconds"]
    pulled = (each["phases"]["agent"]["sections"]["policy updates"]["clips"] for each in (first, second))
    assert [*pulled] == [14, 14]  # the epoch was done


def test_what_was_measured_is_kept_where_a_command_fails(tmp_path: Path):
    with pytest.raises(KeyError), profiled(tmp_path / PROFILE, "cpu", True), section("classifier"):
        raise KeyError
    assert recorded() is None
    assert "classifier" in read_profile(tmp_path / PROFILE)["phases"]["setup"]["sections"]


def test_a_judgement_has_a_profile_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for _ in range(2):
        evaluate(MOTION, "uniform", videos=14, output=tmp_path / "lines.jsonl", profile=True)
    found = read_profile(tmp_path / EVALUATED)
    assert found["commands"] == 1  # the last one's
    assert found["phases"]["judged"]["sections"]["classifier"]["clips"] == 14 * 4
    assert "clips/s" in capsys.readouterr().out


def test_predictions_come_with_their_profile(tmp_path: Path, cache_folder: Path, capsys: pytest.CaptureFixture[str]):
    trained(tmp_path / "run", "uniform")
    video = next(cache_folder.rglob("*.mp4"))
    answers = [tmp_path / name for name in ("plain.json", "profiled.json")]
    predict(tmp_path / "run", (str(video),), json=answers[0])
    assert "clips/s" not in capsys.readouterr().out
    predict(tmp_path / "run", (str(video),), json=answers[1], profile=True)
    assert "clips/s" in capsys.readouterr().out
    plain, found = (json.loads(path.read_text()) for path in answers)
    assert "profile" not in plain
    predicted = found["profile"]["predicted"]["sections"]
    assert predicted["classifier"]["clips"] >= len(found["videos"][0]["clips"])
    assert {"decoding", "selection"} <= predicted.keys()
    decoder = found["profile"]["predicted"]["threads"]["decoder"]
    assert decoder["clips"] == len(found["videos"][0]["clips"])
    assert decoder["cpu_seconds"] > 0


def test_traces_show_the_sections_of_each_phase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tracing, "FIRST", 3)
    monkeypatch.setattr(tracing, "LAST", 14)
    options = ("epochs=1", "joint_epochs=0", "batch_size=4", "samples=2")
    plain = trained(tmp_path / "plain", "reinforce", *options)
    assert trained(tmp_path / "traced", "reinforce", *options, profile_trace=True).keys() == plain.keys()
    for name, value in load_file(tmp_path / "plain" / "selection.safetensors").items():
        assert torch.equal(load_file(tmp_path / "traced" / "selection.safetensors")[name], value)
    with gzip.open(tmp_path / "traced" / "trace-agent.json.gz") as file:
        events = json.load(file)["traceEvents"]
    names = {each["name"] for each in events}
    assert {"classifier", "policy updates"} <= names
    assert "aten::convolution" in names
    assert "trace-agent.json.gz" in {path.name for path in (tmp_path / "traced").iterdir()}
    assert not list((tmp_path / "traced").glob("*.part*"))
    assert read_profile(tmp_path / "traced" / PROFILE)["phases"]["agent"]["sections"]["tracing"]["seconds"] > 0


def test_of_several_processes_the_first_writes_what_all_have_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parallel, "world", lambda: 2)
    monkeypatch.setattr(parallel, "rank", lambda: 0)
    monkeypatch.setattr(parallel, "gather", lambda mine: [mine, mine])  # the other one did the same
    with profiled(tmp_path / PROFILE, "cpu", True), section("classifier", clips=3):
        keep_profile()
        assert read_profile(tmp_path / PROFILE)["phases"]["setup"]["sections"]["classifier"]["clips"] == 6
    found = read_profile(tmp_path / PROFILE)
    assert (found["processes"], found["commands"]) == (2, 1)
    assert found["phases"]["setup"]["sections"]["classifier"]["times"] == 2
    (tmp_path / PROFILE).unlink()
    monkeypatch.setattr(parallel, "rank", lambda: 1)
    with profiled(tmp_path / PROFILE, "cpu", True):
        keep_profile()
    assert not (tmp_path / PROFILE).exists()


def test_times_of_processes_add_up_and_the_most_memory_counts():
    first = {"agent": {"seconds": 2.0, "peak_memory": 5, "sections": {"classifier": {"seconds": 2.0, "clips": 4}}}}
    second = {"agent": {"seconds": 3.0, "peak_memory": 4, "sections": {"decoding": {"seconds": 3.0, "clips": 6}}}}
    total = added(first, second, {})["agent"]
    assert (total["seconds"], total["peak_memory"]) == (5, 5)
    assert total["sections"] == {
        "classifier": {"seconds": 2.0, "clips": 4},
        "decoding": {"seconds": 3.0, "clips": 6},
    }


def test_a_table_shows_shares_and_rates():
    spent = {"cpu_seconds": 0.0, "times": 1}
    sections = {"classifier": {"seconds": 3.0, "clips": 60, **spent}, "other": {"seconds": 1.0, "clips": 0, **spent}}
    threads = {"decoder": {"seconds": 9.0, "cpu_seconds": 2.0, "clips": 50}}
    memory = {"cpu_seconds": 6.0, "peak_memory": 2 * 10**9, "peak_gpu_memory": 0}
    shown = profile_table({"agent": {"seconds": 4.0, "sections": sections, "threads": threads, **memory}})
    lines = [line.split() for line in shown.splitlines()]
    assert ["agent", "classifier", "3.0", "75%", "20"] in lines
    assert ["other", "1.0", "25%"] in lines
    assert lines[4][-2:] == ["2.0", "25"]
    assert shown.endswith("4.0 s, 6.0 s of CPU (1.50 cores busy), peak memory 2,000 MB")


def test_a_file_that_is_no_profile_is_named(tmp_path: Path):
    for written in ("[1]", '{"phases": {}, "commands": "one"}'):  # before anything is computed, not after an epoch
        (tmp_path / PROFILE).write_text(written)
        with pytest.raises(InputError, match=r"profile.json is no profile of this program .*: remove it"):
            read_profile(tmp_path / PROFILE)
