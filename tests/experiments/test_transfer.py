"""A finished run's policy, taken to other classes and other data sets by `ada3d train ID --transfer RUN`."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ada3d_gym.errors import InputError
from ada3d_gym.evaluation import evaluate as judge
from ada3d_gym.experiments.evaluate import evaluate
from ada3d_gym.experiments.judging import Trial, load_masks
from ada3d_gym.experiments.paper.table3 import TransferOptions
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.experiments.runs import compose
from ada3d_gym.experiments.train import train
from ada3d_gym.experiments.transferring import transferred
from ada3d_gym.shipped import CLASSIFIER
from tests.experiments.lines import read, timeless

MOTION = "Ada3D-MotionShapes-v1"
LEARNED = ("epochs=1", "joint_epochs=1", "samples=2")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """REINFORCE on half a."""
    folder = tmp_path_factory.mktemp("runs") / "source"
    train(MOTION, videos=14, classes="a", set=LEARNED, output=folder)
    return folder


@pytest.fixture(scope="module")
def taken(source: Path) -> Path:
    """Its policy on half b, with the source gone since."""
    folder, copy = source.with_name("taken"), source.with_name("copy")
    shutil.copytree(source, copy)
    train(MOTION, videos=14, classes="b", transfer=copy, set=("joint_epochs=1",), output=folder)
    shutil.rmtree(copy)
    return folder


def masks_of(folder: Path, run_folder: Path) -> tuple[Any, Any]:
    """What a run's policy chooses of the test clips that another run was judged on."""
    settings = read_run(run_folder, trust=True)
    own = read_run(folder, trust=True)
    trial = Trial.prepare(own, "test", "cpu", classes=settings.environment["classes"])
    found = judge(trial.bandit, trial.trained_agent(folder, "cpu").act)
    return found.u, found.v


def test_masks_are_the_sources_and_the_classifier_is_trained(source: Path, taken: Path):
    for mine, theirs in zip(load_masks(taken, "transferred"), masks_of(source, taken), strict=True):
        assert np.array_equal(mine, theirs)
    line, upper = (read(taken / "results.jsonl")[name] for name in ("transferred", "Upper"))
    assert line["gmacs_selection"] == read(source / "results.jsonl")["reinforce"]["gmacs_selection"] > 0
    assert line["run"]["environment"]["classes"] == "b"
    assert len(line["by_class"]) == len(upper["by_class"]) == 7
    before, after = (load_file(taken / f"{name}.safetensors") for name in ("pretrained", "classifier"))
    assert not torch.equal(before["head.weight"], after["head.weight"])


def test_the_schedule_is_that_of_the_second_stage_unless_told_otherwise(taken: Path):
    options = read_run(taken).options
    assert (options["joint_epochs"], options["joint_batch_size"], options["classifier_lr"]) == (1, 32, 0.001)
    assert options["agent_options"]["joint_epochs"] == 0  # no trainer of its own


def test_a_run_has_all_that_it_needs_in_its_folder(taken: Path, tmp_path: Path):
    moved = tmp_path / "moved"
    shutil.copytree(taken, moved)
    before = read(taken / "results.jsonl")["transferred"]
    evaluate(str(moved), output=tmp_path / "again.jsonl")
    (again,) = read(tmp_path / "again.jsonl").values()
    for name in ("top1", "reward", "gmacs", "gmacs_selection", "frames", "stages", "distinct_masks"):
        assert again[name] == before[name]
    state = torch.load(moved / "policy.pt", weights_only=True)
    assert "selection" in state
    assert "trainer" not in state  # the source's classifier


def test_a_policy_that_sees_features_takes_their_trunk_along(tmp_path: Path):
    own = {"videos": 14, "trunk": "random"}
    train(MOTION, "thompson", classes="a", set=("epochs=1",), output=tmp_path / "source", **own)
    train(MOTION, videos=14, classes="b", transfer=tmp_path / "source", output=tmp_path / "run")
    features = (tmp_path / "run" / "trunk.safetensors").read_bytes()
    assert features == (tmp_path / "source" / "trunk.safetensors").read_bytes()
    theirs = masks_of(tmp_path / "source", tmp_path / "run")
    shutil.rmtree(tmp_path / "source")
    for mine, other in zip(load_masks(tmp_path / "run", "transferred"), theirs, strict=True):
        assert np.array_equal(mine, other)
    evaluate(str(tmp_path / "run"), output=tmp_path / "again.jsonl")


def test_a_taken_policy_can_be_taken_further(taken: Path):
    made = transferred(compose(MOTION, "reinforce", 0, environment={"classes": "a"}), taken)
    assert made.options["agent"] == "reinforce"
    assert made.options["state"] == str(taken / "policy.pt")
    assert made.make_agent(made.bandit("test", "cpu", videos=7), "cpu").macs > 0


def test_another_source_in_the_same_place_is_noticed_and_a_moved_one_is_not(source: Path, tmp_path: Path):
    here, there, run = tmp_path / "here", tmp_path / "there", tmp_path / "run"
    shutil.copytree(source, here)
    options: dict[str, Any] = {"videos": 14, "classes": "b", "set": ("joint_epochs=0",), "output": run}
    train(MOTION, transfer=here, **options)
    before, after = (load_file(run / f"{name}.safetensors") for name in ("pretrained", "classifier"))
    assert all(torch.equal(value, after[key]) for key, value in before.items())  # of no epochs
    first = read(run / "results.jsonl")["transferred"]
    (run / "results.jsonl").unlink()  # as if it had been interrupted
    here.rename(there)
    train(MOTION, transfer=there, **options)
    again = read(run / "results.jsonl")["transferred"]
    assert timeless(again | {"run": None}) == timeless(first | {"run": None})  # which names the source
    with pytest.raises(InputError, match="holds no run of 'ada3d train'"):
        train(MOTION, transfer=here, **options)
    shutil.copytree(there, here)
    state = torch.load(here / "agent.pt", weights_only=True)
    state["epoch"] = 1
    torch.save(state, here / "agent.pt")
    with pytest.raises(InputError, match=r"holds another run \(options.state: .* there, .* now\): put back"):
        train(MOTION, transfer=here, **options)


@pytest.mark.parametrize(
    ("env", "more", "told"),
    [
        (
            "Ada3D-MotionShapes-16-v1",
            {},
            r"chooses among 8 frames of 32 pixels and 5 stages \(conv1, res2, res3, res4, res5\); "
            r"Ada3D-MotionShapes-16-v1 has 16 frames of 32 pixels",
        ),
        ("Ada3D-MotionShapes-SlowOnly-v1", {}, r"SlowOnly-v1 has 8 frames of 32 pixels and 2 stages \(res4, res5\)"),
        ("Ada3D-FCVID-v0", {}, "Ada3D-FCVID-v0 has 8 frames of 112 pixels and 5 stages"),
        ("Ada3D-FCVID-v0", {"size": 64}, "Ada3D-FCVID-v0 has 8 frames of 64 pixels"),
        (MOTION, {"agent": "ppo"}, "--agent, --trunk and --trunk-epochs make a policy"),
        (MOTION, {"trunk": "x"}, "--agent, --trunk and --trunk-epochs make a policy"),
        (
            MOTION,
            {"set": ("state=x", "joint_epochs=1", "agent=ppo")},
            "agent, state would be ignored",
        ),
        (MOTION, {"transfer": Path("nowhere")}, "nowhere holds no run of 'ada3d train'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_computed(
    source: Path, tmp_path: Path, env: str, more: dict[str, Any], told: str
):
    with pytest.raises(InputError, match=told):
        train(env, output=tmp_path / "run", **{"transfer": source, **more})
    assert not (tmp_path / "run").exists()


def test_an_unfinished_source_is_refused(source: Path, tmp_path: Path):
    unfinished = tmp_path / "unfinished"
    shutil.copytree(source, unfinished)
    (unfinished / "results.jsonl").unlink()
    with pytest.raises(InputError, match="unfinished is not finished, or has diverged"):
        train(MOTION, videos=14, transfer=unfinished, output=tmp_path / "run")


def test_a_source_of_somebodys_own_code_has_to_be_trusted(source: Path, taken: Path, tmp_path: Path):
    for folder, name in ((source, "agent"), (taken, "options")):
        strange = tmp_path / folder.name
        shutil.copytree(folder, strange)
        written = json.loads((strange / "options.json").read_text())
        (written if name == "agent" else written["options"])["agent"] = "tests.agents.toy:Strange"
        (strange / "options.json").write_text(json.dumps(written))
        with pytest.raises(InputError, match="whose code would be run: give --trust"):
            train(MOTION, videos=14, transfer=strange, output=tmp_path / "run")


def test_runs_of_before_there_were_transfers_can_still_be_read(source: Path, tmp_path: Path):
    written = json.loads((source / "options.json").read_text())
    for name in ("transfer", "trunk_lr"):
        del written[name]
    (tmp_path / "options.json").write_text(json.dumps(written))
    assert read_run(tmp_path).transfer is None


def test_a_policy_of_the_embedded_videos_goes_to_small_ones_of_a_public_set(source: Path, sets: Path, tmp_path: Path):
    given = {"checkpoint": sets / "i3d_tiny.safetensors", "backbone": "i3d_tiny", "size": 32}
    options: dict[str, Any] = {"data_root": sets / "fcvid", "classifier_epochs": 1, "set": ("joint_epochs=1",)}
    train("Ada3D-FCVID-v0", transfer=source, output=tmp_path / "run", **given, **options)
    line = read(tmp_path / "run" / "results.jsonl")["transferred"]
    assert np.isfinite([line["map"], line["reward"]]).all()
    assert (line["run"]["trunk_epochs"], line["run"]["trunk"]) == (0, None)  # the configuration has some


def test_table_3_looks_at_a_source_before_anything_is_trained(source: Path):
    TransferOptions(source_run=source).check()
    kinetics = TransferOptions(id="Ada3D-Kinetics-v0", checkpoint=CLASSIFIER, source_run=source)
    with pytest.raises(InputError, match=r"8 frames of 32 pixels .* Ada3D-Kinetics-v0 has 8 frames of 112 pixels"):
        kinetics.check()
    replace(kinetics, size=32, backbone="i3d_tiny").check()
