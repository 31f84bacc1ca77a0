"""A trained run judged again: beside other weights, on other videos and splits, by its own record."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
import torch

from ada3d_gym.agents.fixed import Upper
from ada3d_gym.datasets import video_clips
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.evaluate import evaluate
from ada3d_gym.experiments.index_videos import index_videos
from ada3d_gym.experiments.train import train
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_TINY
from ada3d_gym.shipped import CLASSIFIER
from ada3d_gym.video.motionshapes.drawing import CLASSES
from ada3d_gym.video.motionshapes.files import MOTIONSHAPES
from tests.experiments.lines import read, timeless
from tests.nodes import kill
from tests.processes import finish, kill_when, run_two, start

MOTION = "Ada3D-MotionShapes-v1"
OPTIONS = {
    "reinforce": ("epochs=1", "joint_epochs=1", "samples=2"),
    "a2c": ("epochs=1", "joint_epochs=1", "num_envs=4", "n_steps=2", "classifier_batch=4"),
}


@pytest.fixture(scope="module", params=["reinforce", pytest.param("a2c", marks=pytest.mark.slow)])
def run_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with joint epochs, whose state holds a classifier too."""
    folder = tmp_path_factory.mktemp("runs") / str(request.param)
    train(MOTION, request.param, videos=14, set=OPTIONS[request.param], output=folder)
    return folder


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a classifier that knows nothing."""
    path = tmp_path_factory.mktemp("weights") / "noise.safetensors"
    network = MaskedResNet3d(I3D_TINY, len(CLASSES))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(0))
    save_weights(network, path)
    return path


def test_the_classifier_that_is_given_is_the_one_that_is_judged(run_folder: Path, noise: Path, tmp_path: Path):
    evaluate(str(run_folder), checkpoint=noise, output=tmp_path / "noise.jsonl")
    (judged,) = read(tmp_path / "noise.jsonl").values()
    own = list(read(run_folder / "results.jsonl").values())[-1]
    assert judged["top1"] < 15 < 50 < own["top1"]  # chance is 7.1
    assert judged["judged"]["checkpoint"] == str(noise)
    before = {key: value for key, value in own.items() if key != "judged"}  # as older versions wrote it
    (run_folder / "results.jsonl").write_text(json.dumps(before) + "\n")
    evaluate(str(run_folder), checkpoint=noise)
    first, second = read(run_folder / "results.jsonl").values()
    assert (first["top1"], second["top1"]) == (own["top1"], judged["top1"])


def test_a_judgement_on_other_things_is_a_line_of_its_own(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run_, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(sets / "videos", other)
    index_videos("videos", root=other)
    options: dict[str, Any] = {"checkpoint": sets / "i3d_tiny.safetensors", "backbone": "i3d_tiny", "size": 32}

    def again() -> str:
        capsys.readouterr()
        train("Ada3D-Videos-v0", "uniform", data_root=sets / "videos", output=run_, **options)
        return capsys.readouterr().out

    again()
    own = read(run_ / "results.jsonl")
    evaluate(str(run_))  # in the place of the run's own: it is the same
    assert read(run_ / "results.jsonl").keys() == own.keys() == {"Upper", "uniform"}
    evaluate(str(run_), data_root=other)
    evaluate(str(run_), split="train", size=16)
    evaluate(str(run_), views=2, videos=3)
    found = read(run_ / "results.jsonl")
    assert timeless(found["uniform"]) == timeless(own["uniform"])
    elsewhere, train_split, few = (line["judged"] for line in list(found.values())[2:])
    assert elsewhere["data_root"] == str(other)
    assert (train_split["split"], train_split["views"], train_split["size"]) == ("train", 10, 16)
    assert (few["split"], few["views"], few["videos"]) == ("test", 2, 3)
    assert {line["judged"]["checkpoint_sha256"] for line in found.values()} == {few["checkpoint_sha256"]}
    printed = again()
    assert f"finished before: delete {run_} or choose another --output" in printed
    assert "split train" not in printed
    assert str(other) not in printed


def test_an_agent_that_needs_no_training_has_a_line_for_each_thing_that_it_is_judged_on(tmp_path: Path):
    path = tmp_path / "evaluations.jsonl"
    for videos in (14, 28, 14):
        evaluate(MOTION, videos=videos, output=path)
    judged = [json.loads(line)["judged"] for line in path.read_text().splitlines()]
    assert [each["videos"] for each in judged] == [14, 28]
    path.with_name("notes.txt").write_text("mine\nnot yours\n")
    with pytest.raises(InputError, match=r"notes\.txt: not a file of results \(line 1\)"):
        evaluate(MOTION, videos=14, output=path.with_name("notes.txt"))
    assert path.with_name("notes.txt").read_text() == "mine\nnot yours\n"


def test_a_smaller_split_is_judged_as_far_as_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(MOTIONSHAPES.splits, "val", 28)
    train(MOTION, "upper", classes=",".join(CLASSES[:2]), videos=5, output=tmp_path)
    evaluate(str(tmp_path), split="val")  # of 4 videos
    with pytest.raises(InputError, match="unknown split 'valid'"):
        evaluate(str(tmp_path), split="valid")
    assert sorted(line["judged"]["videos"] for line in read(tmp_path / "results.jsonl").values()) == [4, 5, 5]


def test_a_head_that_is_fresh_is_judged_with_a_warning(sets: Path, tmp_path: Path):
    options: dict[str, Any] = {"data_root": sets / "videos", "backbone": "i3d_tiny", "size": 32}
    with pytest.warns(UserWarning, match="head is fresh.* must be trained"):
        evaluate("Ada3D-Videos-v0", checkpoint=CLASSIFIER, output=tmp_path / "lines.jsonl", **options)


def test_training_videos_are_judged_by_the_test_protocol(sets: Path):
    clips = video_clips("videos", "train", data_root=sets / "videos", protocol="test", size=32)
    assert clips.views == 10
    random = video_clips("videos", "train", data_root=sets / "videos", size=32)
    assert random.views == 1000
    first, last = (clips.frame_numbers(view, 100).tolist() for view in (0, 9))
    assert (first, last) == (list(range(0, 57, 8)), list(range(43, 100, 8)))


def test_a_run_that_is_not_finished_is_named(run_folder: Path, tmp_path: Path):
    shutil.copy(run_folder / "options.json", tmp_path)
    with pytest.raises(InputError, match="the run is not finished; start its 'ada3d train' command again"):
        evaluate(str(tmp_path))


def test_a_strangers_run_imports_nothing_and_reads_nothing_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run_ = tmp_path / "run"
    train(MOTION, "uniform", videos=14, output=run_)
    options = json.loads((run_ / "options.json").read_text())
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "bad.py").write_text(
        "from pathlib import Path\nfrom agents.fixed import Uniform as Bad\nPath(__file__).with_name('ran').touch()\n"
    )
    (run_ / "options.json").write_text(json.dumps(options | {"agent": "bad:Bad"}))
    with pytest.raises(InputError, match="trained with bad:Bad, whose code would be run: give --trust"):
        evaluate(str(run_))
    assert not (tmp_path / "ran").exists()
    evaluate(str(run_), trust=True)
    assert (tmp_path / "ran").exists()
    elsewhere = options["environment"] | {"features": str(tmp_path / "other.safetensors")}
    (run_ / "options.json").write_text(json.dumps(options | {"environment": elsewhere}))
    with pytest.raises(InputError, match=r"features read from elsewhere, .*other\.safetensors: give --trust"):
        evaluate(str(run_))
    others = [{"env": "Ada3D-Moon-v0"}, {"environment": {"split": "train"}}, {"environment": {"device": "cuda"}}]
    for content in ("[1]", "{", json.dumps({"env": MOTION}), *(json.dumps(options | each) for each in others)):
        (run_ / "options.json").write_text(content)
        with pytest.raises(InputError):
            evaluate(str(run_))


def test_a_killed_evaluation_goes_on(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch):
    output = tmp_path / "lines.jsonl"
    kill_when(
        start("-m", "experiments.evaluate", MOTION, "--videos", "70", "--output", str(output)),
        lambda: len(list(tmp_path.glob("judging-*/*.npz"))) >= 1,
    )
    asked, act = list[int](), Upper.act

    def counted(agent: Upper, observations: Any, deterministic: bool = True) -> Any:
        asked.append(len(observations))
        return act(agent, observations, deterministic)

    monkeypatch.setattr(Upper, "act", counted)
    kept = len(list(tmp_path.glob("judging-*/*.npz")))
    evaluate(MOTION, videos=70, output=output)
    assert len(asked) == 3 - kept  # 280 clips
    assert not list(tmp_path.glob("judging-*"))
    evaluate(MOTION, videos=70, output=tmp_path / "unbroken.jsonl")
    broken, unbroken = (read(path)["upper"] for path in (output, tmp_path / "unbroken.jsonl"))
    assert timeless(broken) == timeless(unbroken)


def test_a_policy_that_was_rewritten_meanwhile_is_judged_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(tmp_path)
    code = (
        "import numpy as np\n"
        "from agents.agent import Agent\n"
        "class Own(Agent):\n"
        "    def act(self, observations, deterministic=True):\n"
        "        if {fails} and len(observations) < 128:\n"
        "            raise RuntimeError('a fault')\n"
        "        mask = [1] * {frames} + [0] * (8 - {frames}) + [1] * 5\n"
        "        return np.tile(np.array(mask, np.int8), (len(observations), 1))\n"
    )
    (tmp_path / "rewritten.py").write_text(code.format(fails=True, frames=8))
    with pytest.raises(RuntimeError, match="a fault"):
        evaluate(MOTION, agent="rewritten:Own", videos=35, output=tmp_path / "lines.jsonl")  # 128 clips, then 12
    (tmp_path / "rewritten.py").write_text(code.format(fails=False, frames=2))
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "rewritten")
    evaluate(MOTION, agent="rewritten:Own", videos=35, output=tmp_path / "lines.jsonl")
    assert read(tmp_path / "lines.jsonl")["rewritten:Own"]["frames"] == 2


@pytest.mark.slow  # two processes that train judge too, and what they find is held to one's (`test_parallel.py`)
def test_two_processes_judge_what_one_judges(tmp_path: Path):
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    printed = run_two("-m", "experiments.evaluate", MOTION, "--videos", "70", "--output", str(two))
    evaluate(MOTION, videos=70, output=one)
    assert printed.count("written to") == 1
    alone, together = (read(path)["upper"] for path in (one, two))
    assert len(two.read_text().splitlines()) == 1
    assert timeless(alone) == timeless(together)
    assert not list(tmp_path.glob("judging-*"))


def test_times_stay_those_that_were_measured_beside_the_other_methods(run_folder: Path):
    own = list(read(run_folder / "results.jsonl").values())[-1]
    evaluate(str(run_folder))
    assert read(run_folder / "results.jsonl")[own["method"]] == own | {"seconds": ANY}


def test_the_folder_of_a_list_names_its_runs(quick_demo: tuple[Path, str]):
    folder, _ = quick_demo
    with pytest.raises(InputError, match=f"{folder} holds several runs: give the folder of one, such as {folder}/"):
        evaluate(str(folder))


@pytest.mark.slow
def test_two_processes_that_were_killed_go_on(tmp_path: Path):
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launch, "-m", "experiments.evaluate", MOTION, "--videos", "280", "--output", str(two)]

    def kept() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in tmp_path.glob("judging-*/*.npz")}

    with open(os.devnull, "w") as nowhere:
        processes = start(*command, stdout=nowhere.fileno())
        while len(kept()) < 3:
            assert processes.poll() is None
            time.sleep(0.01)
        kill(processes)
    before = kept()
    assert len(before) < 9  # of 1,120 clips
    again = start(*command)
    while len(found := kept()) < 5:
        assert again.poll() is None
        time.sleep(0.005)
    assert before.items() <= found.items()  # those are not judged again
    finish(again)
    evaluate(MOTION, videos=280, output=one)
    alone, together = (read(path)["upper"] for path in (one, two))
    assert timeless(alone) == timeless(together)
    assert not list(tmp_path.glob("judging-*"))
