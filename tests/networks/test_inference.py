"""The inference form against the network it was made from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ada3d_gym.networks import masked
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.networks.resnet3d import MaskedResNet3d
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


@pytest.mark.parametrize("frames", [8, 16])
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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
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


@pytest.mark.parametrize("change", ["optimizer", "load", "statistics"])
def test_a_classifier_follows_its_network(change: str):
    torch.manual_seed(0)
    network = MaskedResNet3d(I3D_TINY, 5).eval()
    torch.nn.init.normal_(network.head.weight, std=0.2)
    classifier = NetworkClassifier(network, 32)
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 256, (4, 8, 3, 32, 32), dtype=np.uint8)
    u, v = np.ones((4, 8), np.bool_), np.ones((4, 5), np.bool_)
    before = classifier.scores(clips, u, v)
    if change == "optimizer":
        network(torch.from_numpy(clips), torch.from_numpy(u), torch.from_numpy(v)).square().sum().backward()
        torch.optim.SGD(network.parameters(), 1e-2).step()
    elif change == "load":
        network.load_state_dict({key: value * 0.5 for key, value in network.state_dict().items()})
    else:
        network.stem.norm.running_mean.add_(1)
    after = classifier.scores(clips, u, v)
    assert np.abs(after - before).max() > 1e-3
    with torch.no_grad():
        expected = network(*map(torch.from_numpy, (clips, u, v))).softmax(1)
    assert after == pytest.approx(expected.numpy(), abs=1e-4)
