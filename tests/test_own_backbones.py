"""A network of one's own by its name, wherever environments are made."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.evaluate import evaluate
from ada3d_gym.experiments.export import export
from ada3d_gym.experiments.pipeline import train_run
from ada3d_gym.experiments.reading_runs import read_run
from ada3d_gym.experiments.runs import PRETRAINED, compose
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.prediction.config import CLASSIFIER, CONFIG
from ada3d_gym.prediction.predictor import Predictor
from ada3d_gym.sb3 import make_vec
from tests.own_networks import small

ID = "Ada3D-MotionShapes-v1"


@pytest.mark.parametrize("name", ["small", "converted"])
def test_an_environment_is_made_on_it(name: str):
    env = gym.make(ID, videos=14, backbone=f"tests.own_networks:{name}")
    bandit = env.unwrapped.bandit
    assert bandit.num_stages == 2
    env.reset(seed=0)
    everything = np.ones(env.action_space.n, np.int8)
    *_, info = env.step(everything)
    clip = torch.from_numpy(bandit.source.clips(np.array([info["clip"]])))
    dense = small(14).eval()
    with torch.no_grad():
        logits = dense(bandit.classifier.network.pixels(clip[0]).transpose(0, 1)[None])
    assert info["prediction"] == int(logits.argmax())
    assert info["confidence"] == pytest.approx(float(logits.softmax(1).max()), abs=1e-5)
    assert make_vec(ID, 3, videos=14, backbone=f"tests.own_networks:{name}").reset().shape[0] == 3


def test_its_weights_come_from_a_file(tmp_path: Path):
    env = gym.make(ID, videos=2, backbone="tests.own_networks:small")
    network = env.unwrapped.bandit.classifier.network
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    save_weights(network, tmp_path / "own.safetensors")
    other = gym.make(ID, videos=2, backbone="tests.own_networks:small", checkpoint=tmp_path / "own.safetensors")
    for one, two in zip(network.parameters(), other.unwrapped.bandit.classifier.network.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("backbone", "said"),
    [
        ("tests.own_networks:none", "backbone 'tests.own_networks:none' cannot be imported"),
        ("tests.own_networks:no_network", "tests.own_networks:no_network gave int: expected a torch.nn.Module"),
        ("tests.own_networks:without_arguments", "without_arguments failed: TypeError: .*takes 0 positional"),
        ("tests.own_networks:of_three", "gave a network of 3 classes: expected 14"),
        ("resnet", "unknown backbone 'resnet': expected one of .*, or module:factory"),
    ],
)
def test_what_is_no_network_is_refused_in_a_line(backbone: str, said: str):
    with pytest.raises(InputError, match=said):
        gym.make(ID, videos=2, backbone=backbone)


def test_a_run_is_trained_in_both_stages_read_back_and_a_strangers_is_not_imported(tmp_path: Path):
    named = {"backbone": "tests.own_networks:drawn", "videos": 14}
    stages = {"epochs": 1, "joint_epochs": 1, "samples": 2}
    run_ = compose(ID, "reinforce", 0, environment=named, options=stages, classifier_epochs=1)
    one, other = (run_.bandit("train", "cpu").classifier.network.state_dict() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)  # drawn from the run's seed
    folder = tmp_path / "run"
    train_run(run_, folder, "cpu", timed=False)
    before, after = (load_file(folder / name) for name in (PRETRAINED, CLASSIFIER))
    assert before.keys() == after.keys() == one.keys()
    assert not torch.equal(one["network.0.weight"], before["network.0.weight"])
    assert not torch.equal(before["network.0.weight"], after["network.0.weight"])
    for refused in (lambda: read_run(folder), lambda: Predictor.from_run(folder)):
        with pytest.raises(InputError, match=r"own_networks:drawn, whose code would be run: give --trust"):
            refused()
    evaluate(str(folder), trust=True)
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert [line["method"] for line in lines] == ["Upper", "reinforce, stage 1 only", "reinforce"]
    assert lines[-1]["judged"]["backbone"] == named["backbone"]

    predictor = Predictor.from_run(folder, trust=True)
    test = run_.bandit("test", "cpu", checkpoint=folder / CLASSIFIER)
    found = predictor([record.path for record in test.source.records])
    seen = [clip for each in found for clip in each.clips]
    u, v = (np.array([getattr(clip, name) for clip in seen]) > 0 for name in ("frame_mask", "stage_mask"))
    clips = np.arange(len(test.source))
    scores = test.classifier.scores(test.source.clips(clips), u, v).reshape(len(found), -1, 14).mean(1)
    np.testing.assert_allclose(np.stack([each.scores for each in found]), scores, atol=1e-5)
    with pytest.raises(InputError, match=r"its 3D network is .*:drawn, which only its own code"):
        export(folder, tmp_path / "model")


def test_the_recipe_of_small_networks_is_not_for_it():
    with pytest.raises(InputError, match=r"scratch is not for backbone .*:small: give classifier_epochs"):
        compose(
            "Ada3D-Videos-v0",
            "fixed",
            0,
            environment={"backbone": "tests.own_networks:small"},
            classifier_recipe="scratch",
        )


def test_a_model_folder_of_another_network_is_refused(tmp_path: Path):
    run_ = compose(ID, "fixed", 0, environment={"backbone": "tests.own_networks:small", "videos": 2})
    train_run(run_, tmp_path, "cpu", timed=False)
    config = (tmp_path / CONFIG).read_text()
    (tmp_path / CONFIG).write_text(config.replace('"2"', '"3"'))
    with pytest.raises(InputError, match=":small has stages 0, 2, not 0, 3"):
        Predictor.from_run(tmp_path, trust=True)
