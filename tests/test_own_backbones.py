"""A network of one's own by its name, wherever environments are made."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.runs import compose
from ada3d_gym.networks.checkpoints.weights import save_weights
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
        ("tests.own_networks:of_three", "gave a network of 3 classes: expected 14"),
        ("resnet", "unknown backbone 'resnet': expected one of .*, or module:factory"),
    ],
)
def test_what_is_no_network_is_refused_in_a_line(backbone: str, said: str):
    with pytest.raises(InputError, match=said):
        gym.make(ID, videos=2, backbone=backbone)


def test_a_run_says_that_it_takes_none():
    with pytest.raises(InputError, match=r"backbone tests.own_networks:small, which gym.make takes and runs do not"):
        run_ = compose(ID, "fixed", 0, environment={"backbone": "tests.own_networks:small"})
        run_.bandit("train", "cpu")
