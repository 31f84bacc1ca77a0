"""Ragged execution against the slow reference: the same numbers, the same gradients, less work."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ada3d_gym.networks import masked
from ada3d_gym.networks.macs import MacCounter, count_macs
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_SMALL
from tests.networks.dense import SPECS, dense_logits, random_network

SIDE = 32


# Another network of the same code, and clips of twice the length, are for the slow tests.
OTHER = pytest.param(I3D_SMALL, marks=pytest.mark.slow)
LENGTHS = pytest.mark.parametrize("frames", [8, pytest.param(16, marks=pytest.mark.slow)])


@pytest.fixture(scope="module", params=[*SPECS.values(), OTHER], ids=lambda spec: spec.name)
def network(request: pytest.FixtureRequest) -> MaskedResNet3d:
    return random_network(request.param)


@pytest.fixture(params=[0, 10**9], ids=["spans", "gathered"], autouse=True)
def large_frame(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small frames, both as such and as large ones are computed."""
    monkeypatch.setattr(masked, "LARGE_FRAME", request.param)


def clips_of(count: int, frames: int, seed: int = 0) -> Tensor:
    return torch.randn(count, frames, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_masks(count: int, length: int, keep: float, seed: int) -> Tensor:
    return torch.rand(count, length, generator=torch.Generator().manual_seed(seed)) < keep


def check(network: MaskedResNet3d, clips: Tensor, u: Tensor, v: Tensor) -> None:
    with torch.no_grad():
        got, expected = network(clips, u, v), dense_logits(network, clips, u, v)
    assert expected.std(0).max() > 1e-3
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


@LENGTHS
@pytest.mark.parametrize("on", [True, False], ids=["all stages", "no stage"])
def test_every_frame(network: MaskedResNet3d, frames: int, on: bool):
    u = torch.ones(3, frames, dtype=torch.bool)
    v = torch.full((3, network.spec.num_stages), on)
    check(network, clips_of(3, frames), u, v)


@pytest.mark.parametrize(
    ("frames", "seed"),
    [(8, 0), (16, 1), *(pytest.param(*other, marks=pytest.mark.slow) for other in [(8, 1), (8, 2), (16, 0), (16, 2)])],
)
def test_random_masks_of_mixed_clips(network: MaskedResNet3d, frames: int, seed: int):
    u = random_masks(10, frames, 0.5, seed)
    v = random_masks(10, network.spec.num_stages, 0.5, seed + 100)
    assert len(u.sum(1).unique()) > 2
    check(network, clips_of(10, frames, seed), u, v)


def test_single_frames_neighbours_and_clips_without_frames(network: MaskedResNet3d):
    u = torch.zeros(6, 8, dtype=torch.bool)
    for clip, kept in enumerate([(3,), (0, 7), (), (4, 5), (), (7,)]):
        u[clip, list(kept)] = True
    check(network, clips_of(6, 8), u, torch.ones(6, network.spec.num_stages, dtype=torch.bool))


def test_each_stage_by_itself(network: MaskedResNet3d):
    stages = network.spec.num_stages
    clips = clips_of(1, 8).expand(stages, -1, -1, -1, -1)
    u = torch.ones(stages, 8, dtype=torch.bool)
    v = torch.eye(stages, dtype=torch.bool)
    check(network, clips, u, v)
    with torch.no_grad():
        logits = network(clips, u, v)
    assert len(logits[:, 0].unique()) == stages


def test_a_batch_that_keeps_no_frame_at_all(network: MaskedResNet3d):
    u, v = torch.zeros(2, 8, dtype=torch.bool), torch.ones(2, network.spec.num_stages, dtype=torch.bool)
    with torch.no_grad():
        assert torch.equal(network(clips_of(2, 8), u, v), network.head.bias.expand(2, -1))


def test_the_order_of_frames_matters_with_stages_only(network: MaskedResNet3d):
    clips = clips_of(1, 8)
    u = torch.ones(1, 8, dtype=torch.bool)
    with torch.no_grad():
        for on in (True, False):
            v = torch.full((1, network.spec.num_stages), on)
            same = torch.allclose(network(clips, u, v), network(clips.flip(1), u, v), rtol=1e-9)
            assert same is not on


@LENGTHS
def test_gradients(network: MaskedResNet3d, frames: int):
    clips = clips_of(4, frames).requires_grad_()
    u = random_masks(4, frames, 0.5, 1)
    v = random_masks(4, network.spec.num_stages, 0.5, 2)
    weights = torch.randn(4, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    inputs = [clips, *network.parameters()]
    got = torch.autograd.grad((network(clips, u, v) * weights).sum(), inputs)
    expected = torch.autograd.grad((dense_logits(network, clips, u, v) * weights).sum(), inputs)
    assert sum(gradient.abs().max() > 0 for gradient in expected) == len(inputs)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


def test_pixels_are_normalised_as_pyslowfast_does(network: MaskedResNet3d):
    pixels = torch.randint(0, 256, (2, 8, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    u, v = random_masks(2, 8, 0.7, 0), torch.ones(2, network.spec.num_stages, dtype=torch.bool)
    with torch.no_grad():
        got, expected = network(pixels, u, v), network((pixels.double() / 255 - 0.45) / 0.225, u, v)
    torch.testing.assert_close(got, expected)


def test_dropped_frames_and_stages_are_not_computed(network: MaskedResNet3d):
    spec = network.spec
    counter = MacCounter.of_spec(spec, SIDE, 5)

    def work(kept: list[int], on: bool) -> int:
        u = torch.zeros(1, 8, dtype=torch.bool)
        u[0, kept] = True
        return count_macs(network, clips_of(1, 8), u, torch.full((1, spec.num_stages), on))

    without_stages = [work(list(range(count)), False) for count in range(1, 9)]
    assert without_stages == [count * counter.frame + counter.head for count in range(1, 9)]
    assert work([4], True) == without_stages[0]
    full = work(list(range(8)), True)
    assert without_stages[-1] < full < 8 * (counter.frame + counter.stage.sum()) + counter.head
    assert without_stages[2] < work([0, 3, 7], True) < full / 2


def test_one_clips_masks_cost_another_nothing(network: MaskedResNet3d):
    u, v = random_masks(6, 8, 0.5, 4), random_masks(6, network.spec.num_stages, 0.5, 5)
    clips = clips_of(6, 8)
    alone = [count_macs(network, *(part[i : i + 1] for part in (clips, u, v))) for i in range(6)]
    assert count_macs(network, clips, u, v) == sum(alone)
