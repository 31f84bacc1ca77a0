"""The inference form against the network it was made from."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from ada3d_gym.networks import masked
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.current import CurrentForm
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.networks.resnet3d import Bottleneck, MaskedResNet3d
from ada3d_gym.networks.spec import I3D_TINY
from tests.networks.dense import SPECS, dense_logits, random_network


@pytest.fixture(scope="module", params=SPECS)
def network(request: pytest.FixtureRequest) -> MaskedResNet3d:
    return random_network(SPECS[request.param])


@pytest.fixture(params=[0, 10**9], ids=["spans", "gathered"], autouse=True)
def large_frame(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masked, "LARGE_FRAME", request.param)


def batch(network: MaskedResNet3d, frames: int = 8, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    clips = torch.randn(9, frames, 3, 32, 32, generator=generator, dtype=torch.float64)
    u, v = (torch.rand(9, length, generator=generator) < 0.6 for length in (frames, network.spec.num_stages))
    u[0], v[0], u[1], v[1] = True, True, True, False
    u[2], u[3] = False, torch.arange(frames) == 3
    return clips, u, v


@pytest.mark.parametrize("frames", [8, pytest.param(16, marks=pytest.mark.slow)])
def test_it_agrees_with_the_slow_reference(network: MaskedResNet3d, frames: int):
    clips, u, v = batch(network, frames)
    with torch.no_grad():
        expected = dense_logits(network, clips, u, v)
        torch.testing.assert_close(inference_form(network, torch.float64)(clips, u, v), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 5e-2)])
def test_lower_precision(network: MaskedResNet3d, dtype: torch.dtype, tolerance: float):
    clips, u, v = batch(network)
    with torch.inference_mode():
        expected = network(clips, u, v)
        got = inference_form(network, dtype)(clips.to(dtype), u, v)
    assert got.dtype == dtype
    error = (got.double() - expected).abs().max() / expected.abs().max()
    assert error < tolerance


@pytest.mark.parametrize("dtype", [torch.bfloat16, pytest.param(torch.float16, marks=pytest.mark.slow)])
def test_autocast(network: MaskedResNet3d, dtype: torch.dtype):
    clips, u, v = batch(network)
    single = random_network(network.spec).float()
    with torch.autocast("cpu", dtype):
        got = single(clips.float(), u, v)
        got.float().sum().backward()
    expected = network(clips, u, v)
    assert (got.double() - expected).abs().max() / expected.abs().max() < 5e-2
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in single.parameters())


def test_it_computes_no_more(network: MaskedResNet3d):
    clips, u, v = batch(network)
    assert count_macs(inference_form(network, torch.float64), clips, u, v) == count_macs(network, clips, u, v)


def test_it_keeps_its_input_and_the_network(network: MaskedResNet3d):
    clips, u, v = batch(network)
    kept, state = clips.clone(), {key: value.clone() for key, value in network.state_dict().items()}
    form = inference_form(network, torch.float64)
    with torch.inference_mode():
        assert torch.equal(form(clips, u, v), form(clips, u, v))
    assert torch.equal(clips, kept)
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


@torch.no_grad()
def swap_channels(network: MaskedResNet3d) -> None:
    """Two channels of the first block, out of one convolution and into the next but with their batch norm unswapped."""
    weight = next(module for module in network.modules() if isinstance(module, Bottleneck)).a.conv.weight
    weight.data[[0, 1]] = weight.data[[1, 0]]


def train(network: MaskedResNet3d, make: Callable[[list[Parameter]], torch.optim.Optimizer]) -> None:
    generator = torch.Generator().manual_seed(1)
    clips = torch.randint(0, 256, (4, 8, 3, 32, 32), generator=generator, dtype=torch.uint8)
    network(clips, torch.ones(4, 8).bool(), torch.ones(4, 5).bool()).square().sum().backward()
    make(list(network.parameters())).step()


def halved(network: MaskedResNet3d) -> None:
    network.load_state_dict({key: value * 0.5 for key, value in network.state_dict().items()})


CHANGES: dict[str, Callable[[MaskedResNet3d], object]] = {
    "optimizer": lambda network: train(network, lambda values: torch.optim.SGD(values, 1e-2)),
    "fused optimizer": lambda network: train(network, lambda values: torch.optim.SGD(values, 1e-2, fused=True)),
    "small fused step": lambda network: train(network, lambda values: torch.optim.Adam(values, 1e-5, fused=True)),
    "load": halved,
    "statistics": lambda network: network.stem.norm.running_mean.add_(1),
    "data of statistics": lambda network: network.stem.norm.running_var.data.mul_(2),
    "sign": lambda network: network.head.weight.data.mul_(-1),
    "columns": lambda network: network.head.weight.data.copy_(network.head.weight.data.flip(1)),
    "channels": swap_channels,
    "another layer": lambda network: setattr(network, "head", torch.nn.Linear(network.head.in_features, 5)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_classifier_follows_its_network(change: str):
    torch.manual_seed(0)
    network = MaskedResNet3d(I3D_TINY, 5).eval()
    torch.nn.init.normal_(network.head.weight, std=0.2)
    classifier = NetworkClassifier(network, 32)
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 256, (4, 8, 3, 32, 32), dtype=np.uint8)
    u, v = np.ones((4, 8), np.bool_), np.ones((4, 5), np.bool_)
    before, form = classifier.scores(clips, u, v), classifier._form.get()
    assert classifier._form.get() is form
    CHANGES[change](network)
    assert classifier._form.get() is not form
    after = classifier.scores(clips, u, v)
    assert np.abs(after - before).max() > 1e-6
    with torch.no_grad():
        expected = network(*map(torch.from_numpy, (clips, u, v))).softmax(1)
    assert after == pytest.approx(expected.numpy(), abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_unchanged_network_keeps_its_form_even_with_weights_that_are_no_numbers(dtype: torch.dtype):
    network = MaskedResNet3d(I3D_TINY, 5).to(dtype)
    network.head.weight.data[0, 0] = torch.nan
    current = CurrentForm(network)
    form = current.get()
    with torch.autocast("cpu"), torch.inference_mode():
        assert current.get() is form
    current.invalidate()
    assert current.get() is not form


def test_a_classifier_in_use_can_be_copied():
    classifier = NetworkClassifier(MaskedResNet3d(I3D_TINY, 5), 32)
    clips, u, v = np.zeros((2, 4, 3, 32, 32), np.uint8), np.ones((2, 4), np.bool_), np.ones((2, 5), np.bool_)
    expected = [classifier.scores(clips, u, v) for _ in range(3)][-1]  # by now, weights are in oneDNN's layout
    for other in (copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier))):
        np.testing.assert_allclose(other.scores(clips, u, v), expected, atol=1e-6)
        next(other.network.parameters()).data.mul_(2)
        np.testing.assert_array_equal(classifier.scores(clips, u, v), expected)


def test_a_classifier_for_another_size_is_the_same_network():
    small = NetworkClassifier(MaskedResNet3d(I3D_TINY, 5), 32)
    large = small.for_size(64)
    everything = np.ones((1, 8), np.bool_), np.ones((1, 5), np.bool_)
    assert large.network is small.network
    assert large.macs(*everything) > small.macs(*everything)
    form = small._form.get()
    large.invalidate()
    assert small._form.get() is not form
