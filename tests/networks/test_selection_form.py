"""The inference form of selection networks, and those who choose masks with it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor, nn

from ada3d_gym.agents.reinforce import Reinforce, ReinforceConfig
from ada3d_gym.building import build_bandit
from ada3d_gym.masks import join_mask
from ada3d_gym.networks.current import CurrentForm
from ada3d_gym.networks.features import FrameFeatures
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.networks.selection import ClipTrunk, SelectionNetwork, greedy
from ada3d_gym.sb3 import PixelExtractor

SIDES = {"mobilenet_v2_tiny": 32, "mobilenet_v2": 64}


def random_selection(backbone: str, **options) -> SelectionNetwork:
    """With statistics of batch norm that matter, and logits far from one another."""
    torch.manual_seed(0)
    network = SelectionNetwork(ClipTrunk(8, backbone, **options), 5).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    for head in (network.frame_head, network.stage_head):
        nn.init.normal_(head.weight, std=1.0)
    return network


def clips(backbone: str, batch: int = 2, seed: int = 0) -> Tensor:
    shape, generator = (batch, 8, 3, SIDES[backbone], SIDES[backbone]), torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def error(got: Tensor, expected: Tensor) -> float:
    return float((got.double() - expected.double()).abs().max() / expected.double().abs().max())


TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-5, torch.bfloat16: 5e-2, torch.float16: 1e-2}
# every precision, both networks and both aggregations, though not each with each
TRIED = {
    *(("mobilenet_v2_tiny", "concat", dtype) for dtype in TOLERANCES),
    ("mobilenet_v2_tiny", "mean", torch.float64),
    ("mobilenet_v2", "concat", torch.float32),
}
EACH = [
    pytest.param(*each, marks=[pytest.mark.slow] * (each not in TRIED))
    for each in product(SIDES, ("concat", "mean"), TOLERANCES)
]


@pytest.mark.parametrize(("backbone", "aggregation", "dtype"), EACH)
def test_it_computes_the_same(backbone: str, aggregation: str, dtype: torch.dtype):
    tolerance = TOLERANCES[dtype]
    network, seen = random_selection(backbone, aggregation=aggregation).double(), clips(backbone)
    form = inference_form(network, dtype)
    with torch.inference_mode():
        frames, logits = network.trunk.frames(seen), torch.cat(network(seen), 1)
        for _ in range(3):  # from the second call on, weights are in oneDNN's layout
            got = form.trunk.frames(seen), torch.cat(form(seen), 1)
            assert got[0].dtype == got[1].dtype == dtype
            assert error(got[0], frames) < tolerance
            assert error(got[1], logits) < tolerance
        assert error(torch.cat(form(seen[:1]), 1), logits[:1]) < tolerance


@pytest.mark.parametrize("backbone", SIDES)
def test_it_computes_no_more(backbone: str):
    network, seen = random_selection(backbone).double(), clips(backbone)
    assert count_macs(inference_form(network, torch.float64), seen) == count_macs(network, seen)


@torch.no_grad()
def swap_channels(network: SelectionNetwork) -> None:
    weight = network.trunk.backbone[0][0].weight
    weight.data[[0, 1]] = weight.data[[1, 0]]


def train(network: SelectionNetwork, **options) -> None:
    torch.cat(network(clips("mobilenet_v2_tiny", seed=1)), 1).square().sum().backward()
    torch.optim.Adam(network.parameters(), 1e-3, **options).step()


CHANGES: dict[str, Callable[[SelectionNetwork], object]] = {
    "optimizer": train,
    "fused optimizer": lambda network: train(network, fused=True),
    "load": lambda network: network.load_state_dict({k: v / 2 for k, v in network.state_dict().items()}),
    "statistics": lambda network: network.trunk.backbone[0][1].running_mean.add_(1),
    "data of one weight": lambda network: network.trunk.backbone[0][0].weight.data[0, 0, 0, 0].add_(1),
    "channels": swap_channels,
    "another layer": lambda network: setattr(network, "stage_head", nn.Linear(128, 5)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_agents_masks_follow_its_network(change: str):
    network, seen = random_selection("mobilenet_v2_tiny"), clips("mobilenet_v2_tiny", batch=32)
    agent = Reinforce(network, build_bandit(split="test", videos=3), ReinforceConfig(epochs=1, joint_epochs=0))

    def expected() -> np.ndarray:
        with torch.no_grad():
            u, v = greedy(network.eval()(seen))
        return join_mask(u.numpy(), v.numpy())

    form = CurrentForm(network)
    before, made = agent.act(seen.numpy()), form.get()
    np.testing.assert_array_equal(before, expected())
    assert form.get() is made
    CHANGES[change](network)
    np.testing.assert_array_equal(agent.act(seen.numpy()), expected())
    assert form.get() is not made
    torch.testing.assert_close(torch.cat(form.get()(seen), 1), torch.cat(network(seen), 1), atol=1e-4, rtol=1e-4)


def test_one_in_use_can_be_copied():
    network, seen = random_selection("mobilenet_v2_tiny"), clips("mobilenet_v2_tiny")
    current = CurrentForm(network)
    expected = [current.get()(seen).frames for _ in range(3)][-1]
    for other in (copy.deepcopy(current), pickle.loads(pickle.dumps(current))):
        assert torch.allclose(other.get()(seen).frames, expected, atol=1e-5)


class Source:
    """Clips that are numbered as they lie in memory."""

    def __init__(self, seen: Tensor):
        self.seen = seen.numpy()

    def observations(self, ids: np.ndarray) -> np.ndarray:
        return self.seen[ids]


@pytest.mark.parametrize("backbone", SIDES)
def test_features_of_frames_are_those_of_the_trunk(backbone: str):
    trunk, seen = random_selection(backbone).trunk, clips(backbone, batch=3)
    with torch.no_grad():
        expected = trunk.frames(seen)
    got = FrameFeatures(trunk, batch_size=2)(Source(seen), np.array([2, 0, 2, 1]))
    assert error(got, expected[[2, 0, 2, 1]]) < 1e-5


def test_an_extractors_features_follow_its_backbone():
    seen = clips("mobilenet_v2_tiny").float()  # as Stable-Baselines3 shows bytes
    extractor = PixelExtractor(spaces.Box(0, 255, (8, 3, 32, 32), np.uint8), train_backbone=True)
    for _ in range(3):
        trained = extractor(seen)
        with torch.no_grad():
            assert error(extractor(seen), trained.detach()) < 1e-5
        assert trained.requires_grad
        trained.square().sum().backward()
        torch.optim.SGD(extractor.parameters(), 0.1, fused=True).step()
    assert not PixelExtractor(extractor._observation_space)(seen).requires_grad
