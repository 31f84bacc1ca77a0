"""MACs as the paper prints them, and as PyTorch counts them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ada3d_gym.networks.macs import MacCounter, count_macs
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_R50, I3D_SMALL, I3D_TINY, SLOWONLY_R50, ResNet3dSpec
from tests.networks.dense import SPECS, dense_logits, random_network


def bits(count: int, on: bool) -> np.ndarray:
    return np.full((1, count), on)


@pytest.mark.parametrize(
    ("spec", "frames", "on", "gmacs"),
    [
        (I3D_R50, 8, True, 58.65),
        (I3D_R50, 16, True, 117.29),
        (I3D_R50, 8, False, 42.71),
        (SLOWONLY_R50, 8, True, 54.52),
        (SLOWONLY_R50, 16, True, 109.04),
    ],
)
def test_the_papers_figures(spec: ResNet3dSpec, frames: int, on: bool, gmacs: float):
    counter = MacCounter.of_spec(spec, 256, 400)
    macs = counter(bits(frames, True), bits(spec.num_stages, on))
    assert macs.dtype == np.int64
    assert round(macs[0] / 1e9, 2) == pytest.approx(gmacs, abs=0.011)
    assert counter.full(frames) == counter(bits(frames, True), bits(spec.num_stages, True))[0]


def test_what_each_stage_of_i3d_r50_saves():
    saved = 8 * MacCounter.of_spec(I3D_R50, 256, 400).stage / 1e9
    assert saved.tolist() == pytest.approx([4.93, 2.42, 3.22, 4.30, 1.07], abs=0.01)


@pytest.mark.parametrize(("spec", "parameters"), [(I3D_R50, 28_043_472), (SLOWONLY_R50, 32_454_096)])
def test_the_published_numbers_of_parameters(spec: ResNet3dSpec, parameters: int):
    with torch.device("meta"):
        network = MaskedResNet3d(spec, 400)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_which_stages_are_3d():
    assert I3D_TINY.stages == I3D_R50.stages == (0, 1, 2, 3, 4)
    assert SLOWONLY_R50.stages == (3, 4)


@pytest.mark.parametrize("frames", [8, pytest.param(16, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "spec", [*SPECS.values(), pytest.param(I3D_SMALL, marks=pytest.mark.slow)], ids=lambda spec: spec.name
)
def test_the_counter_agrees_with_pytorch_on_the_slow_reference(spec, frames: int):
    network = random_network(spec)
    counter = MacCounter.of_spec(spec, 32, 5)
    rng = np.random.default_rng(0)
    for _ in range(6):
        u, v = rng.random((1, frames)) < 0.5, rng.random((1, spec.num_stages)) < 0.5
        u[0, 0] = True
        module = Dense(network)
        measured = count_macs(module, torch.zeros(1, frames, 3, 32, 32).double(), torch.tensor(u), torch.tensor(v))
        assert counter(u, v).tolist() == [measured]


class Dense(torch.nn.Module):
    """The slow reference as a module, for PyTorch to count."""

    def __init__(self, network: MaskedResNet3d):
        super().__init__()
        self.network = network

    def forward(self, clips: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return dense_logits(self.network, clips, u, v)


def test_each_clip_of_a_batch_is_counted_for_itself_and_no_frames_cost_nothing():
    counter = MacCounter.of_spec(I3D_TINY, 32, 14)
    u = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], np.bool_)
    v = np.array([[0, 0, 0, 0, 0], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]], np.bool_)
    assert counter(u, v).tolist() == [
        4 * counter.frame + counter.head,
        counter.frame + counter.stage[0] + counter.stage[4] + counter.head,
        0,
    ]


def test_an_odd_size_is_counted_right():
    network = random_network(SPECS["small_r50"])
    u, v = np.ones((1, 2), np.bool_), np.zeros((1, 5), np.bool_)
    measured = count_macs(network, torch.zeros(1, 2, 3, 45, 45).double(), torch.tensor(u), torch.tensor(v))
    assert MacCounter.of_spec(network.spec, 45, 5)(u, v).tolist() == [measured]
