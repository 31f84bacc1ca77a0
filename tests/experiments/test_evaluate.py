"""A trained run judged again: beside other weights, on other videos and splits, by its own record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ada3d_gym.networks.checkpoints import save_weights
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_TINY
from ada3d_gym.video.motionshapes_drawing import CLASSES
from experiments.evaluate import evaluate
from experiments.train import train

MOTION = "Ada3D-MotionShapes-v0"
OPTIONS = {
    "reinforce": ("epochs=1", "joint_epochs=1", "samples=2"),
    "a2c": ("epochs=1", "joint_epochs=1", "num_envs=4", "n_steps=2", "classifier_batch=4"),
}


def lines(path: Path) -> dict[str, dict[str, Any]]:
    return {line["method"]: line for line in map(json.loads, path.read_text().splitlines())}


@pytest.fixture(scope="module", params=OPTIONS)
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
    (judged,) = lines(tmp_path / "noise.jsonl").values()
    own = list(lines(run_folder / "results.jsonl").values())[1]
    assert judged["top1"] < 15 < 50 < own["top1"]  # chance is 7.1
