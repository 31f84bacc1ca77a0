"""On a CUDA GPU: the answers of the CPU, in float32 and in half precision, without waiting for the device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.current import CurrentForm
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.selection import ClipTrunk, SelectionNetwork
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.networks.transfer import to_device
from ada3d_gym.precision import dtype_of
from ada3d_gym.prediction.policies import NetworkPolicy

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine"),
]
PRECISIONS = {"float32": 5e-3, "bfloat16": 0.1, "float16": 0.02}


@contextmanager
def nothing_waits() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def masks(count: int, stages: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    u, v = rng.random((count, 8)) < 0.7, rng.random((count, stages)) < 0.5
    u[1], u[2] = True, False
    return u, v


@pytest.fixture(scope="module", params=["i3d_tiny", "i3d_r50", "slowonly_r50", "x3d_s"])
def network(request: pytest.FixtureRequest) -> MaskedResNet3d:
    families = pytest.importorskip("ada3d_gym.networks.families")
    if request.param not in SPECS:
        pytest.skip(f"no network {request.param}")
    torch.manual_seed(0)
    made = families.make_network(SPECS[request.param], 10).eval()
    torch.nn.init.normal_(made.head.weight, std=0.1)
    return made


@pytest.mark.parametrize("precision", PRECISIONS)
def test_scores_are_those_of_the_cpu(network: MaskedResNet3d, precision: str):
    clips = np.random.default_rng(1).integers(0, 256, (4, 8, 3, 64, 64), np.uint8)
    of, (u, v) = np.tile(np.arange(4), 3), masks(12, network.num_stages)
    expected = NetworkClassifier(network.cpu(), 64).scores_of(clips, of, u, v)
    for batch_size in (128, 3):
        there = NetworkClassifier(network, 64, device="cuda", precision=precision, batch_size=batch_size)
        assert np.abs(there.scores_of(clips, of, u, v) - expected).max() < PRECISIONS[precision]
    assert np.array_equal(expected.any(1), u.any(1))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_forward_pass_waits_for_nothing(network: MaskedResNet3d, precision: str):
    form = inference_form(network.cuda(), dtype_of(precision))
    clips = torch.zeros(6, 8, 3, 64, 64, dtype=torch.uint8, device="cuda")
    u, v = (torch.from_numpy(each) for each in masks(6, network.num_stages))
    with torch.inference_mode():
        form(clips, u, v)  # libraries are loaded, and the best algorithms found, before
        torch.cuda.synchronize()
        with nothing_waits():
            form(clips, u, v)


def test_a_changed_network_is_followed_without_waiting(network: MaskedResNet3d):
    current = CurrentForm(network.cuda(), torch.bfloat16)
    form = current.get()
    before = form.head.weight.clone()
    with torch.no_grad():
        network.head.weight.mul_(2)
    with nothing_waits():
        assert current.get() is form
    assert torch.equal(form.head.weight, before * 2)
    with torch.no_grad():
        network.head.weight.div_(2)


def test_copies_to_the_gpu_do_not_wait():
    values = np.arange(2**20)
    to_device(values, "cuda")
    torch.cuda.synchronize()
    with nothing_waits():
        there = to_device(values, "cuda")
    assert np.array_equal(there.cpu().numpy(), values)


def test_training_under_masks_on_the_host_gives_the_gradients_of_the_cpu():
    torch.manual_seed(0)
    network = MaskedResNet3d(SPECS["i3d_tiny"], 5, dropout=0.0).eval()
    clips = torch.randint(0, 256, (6, 8, 3, 32, 32), dtype=torch.uint8)
    u, v = (torch.from_numpy(each) for each in masks(6, 5))
    found = []
    for device in ("cpu", "cuda"):
        network.to(device).zero_grad()
        network(clips.to(device), u, v).square().sum().backward()
        found.append([each.grad.cpu() for each in network.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-2 * float(one.abs().max()))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_selection_network_chooses_the_masks_of_the_cpu(precision: str):
    torch.manual_seed(0)
    selection = SelectionNetwork(ClipTrunk(8, "mobilenet_v2"), 5, keep=0.5)
    shown = np.random.default_rng(0).integers(0, 256, (8, 8, 3, 112, 112), np.uint8)
    expected = NetworkPolicy(selection, 112).act(shown)
    there = NetworkPolicy(selection, 112, "cuda", precision)
    assert (there.act(shown) == expected).mean() > 0.95


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_pull_on_the_gpu_pays_what_the_cpu_pays(bandit: ClipBandit, precision: str):
    there = build_bandit(split="test", device="cuda", precision=precision)
    ids, (u, v) = np.tile(np.arange(0, 100, 5), 2), masks(40, 5)
    told, expected = there.pull(ids, u, v), build_bandit(split="test").pull(ids, u, v)
    assert (told.correct == expected.correct).mean() > (0.97 if precision == "float32" else 0.9)
    assert np.array_equal(told.macs, expected.macs)


def test_compiled_code_answers_the_same():
    torch.manual_seed(0)
    network = MaskedResNet3d(SPECS["i3d_tiny"], 10)
    torch.nn.init.normal_(network.head.weight, std=0.2)
    plain, compiled = (NetworkClassifier(network, 32, device="cuda", compile=each) for each in (False, True))
    for count in (4, 9, 17):
        clips = np.random.default_rng(1).integers(0, 256, (count, 8, 3, 32, 32), np.uint8)
        u, v = masks(count, 5)
        assert np.abs(compiled.scores(clips, u, v) - plain.scores(clips, u, v)).max() < 5e-3
