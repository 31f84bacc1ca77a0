"""Other projects' checkpoints: the same logits as in pytorchvideo, a report, and clear refusals."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
import torchvision
from pytorchvideo.models.resnet import create_resnet
from torch import Tensor, nn

from ada3d_gym.networks.checkpoints.loading import load_checkpoint
from ada3d_gym.networks.checkpoints.weights import CheckpointError, load_weights, save_weights
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_R50, I3D_TINY, SPECS
from ada3d_gym.shipped import CLASSIFIER
from tests.junk import JUNK
from tests.malice import WRITERS as EVIL
from tests.malice import Touch
from tests.networks.checkpoint_writers import (
    WRITERS,
    as_mmaction,
    as_pytorchvideo,
    slowfast_state,
    write_slowfast,
)

NETWORKS = ("i3d_r50", "slowonly_r50")
BOTH = ("PySlowFast", "MMAction2")  # ways of writing weights that are shown for both
SIDE = 48


def peer(network: str, state: dict[str, Tensor]) -> nn.Module:
    """pytorchvideo's own network with these weights."""
    three, one = (3, 1, 1), (1, 1, 1)
    kernels = {
        "i3d_r50": ((three,), (three, one), (three, one), (one, three)),
        "slowonly_r50": (one, one, three, three),
    }[network]
    model = create_resnet(
        model_num_class=7,
        dropout_rate=0,
        stem_conv_kernel_size=(5 if network == "i3d_r50" else 1, 7, 7),
        stage1_pool=None,
        stage_conv_a_kernel_size=kernels,
        head_pool=nn.AdaptiveAvgPool3d,
        head_pool_kernel_size=1,
        head_output_size=(1, 1, 1),
        head_output_with_global_average=True,
    )
    model.load_state_dict(as_pytorchvideo(state))
    return model.eval()


def clips(frames: int, count: int = 2) -> Tensor:
    return torch.randn(count, frames, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def everything(network: MaskedResNet3d, batch: Tensor) -> Tensor:
    ones = torch.ones(len(batch), batch.shape[1] + network.spec.num_stages, dtype=torch.bool)
    with torch.inference_mode():
        return network(batch, ones[:, : batch.shape[1]], ones[:, batch.shape[1] :])


@lru_cache(maxsize=1)
def known(network: str) -> tuple[dict[str, Tensor], dict[int, Tensor]]:
    """A state and pytorchvideo's logits for 8 and 16 frames."""
    state = slowfast_state(network)
    theirs = peer(network, state)
    with torch.inference_mode():
        return state, {t: theirs(clips(t).transpose(1, 2)) for t in (8, 16)}


# The two networks have the same names for their weights, so one of them shows each way of writing these.
PAIRS = [
    pytest.param(name, kind, marks=[pytest.mark.slow] * (name == "slowonly_r50" and kind not in BOTH))
    for name in NETWORKS
    for kind in WRITERS
]


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_logits_equal_pytorchvideos(name: str, kind: str, tmp_path: Path):
    state, logits = known(name)
    file, write = WRITERS[kind]
    write(tmp_path / file, state)
    network = MaskedResNet3d(SPECS[name], 7).eval()
    if (name, kind) == ("i3d_r50", "MMAction2"):
        with pytest.raises(CheckpointError, match="MMAction2 halves time"):
            load_checkpoint(network, tmp_path / file)
        return
    report = load_checkpoint(network, tmp_path / file)
    assert report.format == kind.removesuffix(", pooled")
    assert report.head == "kept, 7 classes"
    assert len(report.loaded) == 320 - (53 if "Caffe2" in kind else 0)
    for frames, expected in logits.items() if kind == "PySlowFast" else [(8, logits[8])]:
        scale = expected.abs().max()
        assert (everything(network, clips(frames)) - expected).abs().max() / scale < 1e-4
        assert (everything(inference_form(network), clips(frames)) - expected).abs().max() / scale < 1e-4


def test_what_is_no_weight_of_the_network_is_reported(tmp_path: Path):
    WRITERS["PySlowFast, Caffe2"][1](tmp_path / "net.pkl", slowfast_state("i3d_r50"))
    report = load_checkpoint(MaskedResNet3d(I3D_R50, 7), tmp_path / "net.pkl")
    assert report.skipped == ("conv1_w_momentum",)
    assert "267 tensors loaded, 0 inflated from 2D, 1 skipped" in str(report)


def test_the_pixels_that_weights_expect_come_along(tmp_path: Path):
    torch.save({"state_dict": as_mmaction(slowfast_state("slowonly_r50"))}, tmp_path / "net.pth")
    network = MaskedResNet3d(SPECS["slowonly_r50"], 7).eval()
    assert load_checkpoint(network, tmp_path / "net.pth").mean == pytest.approx((0.485, 0.456, 0.406), abs=1e-3)
    pixels = torch.randint(0, 256, (1, 8, 3, SIDE, SIDE), dtype=torch.uint8)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)))
    expected = everything(network, (pixels.float() - mean) / std)
    assert (everything(network, pixels) - expected).abs().max() / expected.abs().max() < 1e-4
    save_weights(network, tmp_path / "ours.safetensors")  # and go on with them
    again = MaskedResNet3d(SPECS["slowonly_r50"], 7).eval()
    report = load_checkpoint(again, tmp_path / "ours.safetensors")
    assert report.format == "ada3d-gym"
    assert torch.equal(everything(again, pixels), everything(network, pixels))


def test_another_number_of_classes_starts_a_seeded_head(tmp_path: Path):
    write_slowfast(tmp_path / "net.pyth", slowfast_state("slowonly_r50"))
    networks = [MaskedResNet3d(SPECS["slowonly_r50"], 9) for _ in range(3)]
    reports = [
        load_checkpoint(network, tmp_path / "net.pyth", seed=seed)
        for network, seed in zip(networks, (0, 0, 1), strict=True)
    ]
    assert reports[0].replaced == ("head.weight", "head.bias")
    assert "fresh, 9 classes" in reports[0].head
    assert "head.projection.weight" in str(reports[0])
    weights = [network.head.weight for network in networks]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert weights[0].std().item() == pytest.approx(0.01, rel=0.1)


def test_torchvisions_2d_resnet_is_inflated(tmp_path: Path):
    flat = torchvision.models.resnet50().eval()
    torch.save(flat.state_dict(), tmp_path / "resnet50.pth")
    network = MaskedResNet3d(I3D_R50, 1000).eval()
    report = load_checkpoint(network, tmp_path / "resnet50.pth")
    assert len(report.inflated) == 1 + 3 + 2 + 3 + 1
    pixels = torch.randint(0, 256, (2, 8, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    u = torch.zeros(2, 8, dtype=torch.bool)
    u[:, 3] = True
    normalise = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    with torch.inference_mode():
        expected = flat(normalise(pixels[:, 3].float() / 255))
        for on in (True, False):
            got = network(pixels, u, torch.full((2, 5), on))
            assert (got - expected).abs().max() / expected.abs().max() < 1e-4
        whole = everything(network, pixels[:, 3:4].expand(-1, 8, -1, -1, -1))  # a still video is its picture
    assert (whole - expected).abs().max() / expected.abs().max() < 1e-4


def truncated(path: Path) -> None:
    torch.save({"model_state": {"a": torch.zeros(1000)}}, path)
    os.truncate(path, path.stat().st_size // 2)


BAD = {**JUNK, "truncated": truncated}


@pytest.mark.parametrize("suffix", [".pyth", ".pkl", ".pth", ".safetensors"])
@pytest.mark.parametrize("kind", BAD)
def test_an_unreadable_file_is_named(kind: str, suffix: str, tmp_path: Path):
    path = tmp_path / f"bad{suffix}"
    BAD[kind](path)
    with pytest.raises(CheckpointError, match=str(path)):
        load_checkpoint(MaskedResNet3d(I3D_TINY, 14), path)


@pytest.mark.parametrize("suffix", [".pyth", ".pkl", ".safetensors", ""])
@pytest.mark.parametrize("write", EVIL)
def test_a_malicious_file_runs_nothing(write: Callable[[Path, Path], None], suffix: str, tmp_path: Path):
    path, victim = tmp_path / f"evil{suffix}", tmp_path / "victim"
    write(path, victim)
    with pytest.raises(CheckpointError, match=str(path)):
        load_checkpoint(MaskedResNet3d(I3D_TINY, 14), path)
    assert not victim.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_malicious_blob_between_good_ones_runs_nothing(protocol: int, tmp_path: Path):
    path, victim = tmp_path / "evil.pkl", tmp_path / "victim"
    path.write_bytes(pickle.dumps({"blobs": {"conv1_w": np.zeros(3), "lr": Touch(victim)}}, protocol))
    with pytest.raises(CheckpointError, match=r"asks for posix.mkdir"):
        load_checkpoint(MaskedResNet3d(I3D_TINY, 14), path)
    assert not victim.exists()


def test_an_environment_takes_any_of_them_and_says_what_must_be_trained(tmp_path: Path):
    write_slowfast(tmp_path / "net.pyth", slowfast_state("slowonly_r50"))
    with pytest.warns(UserWarning, match="head is fresh, 14 classes.* must be trained"):
        env = gym.make(
            "Ada3D-MotionShapes-v1", videos=14, backbone="slowonly_r50", checkpoint=str(tmp_path / "net.pyth")
        )
    env.reset(seed=0)
    info = env.step(np.ones(8 + 2, np.int8))[-1]
    assert info["stages"] == 2


def test_our_own_weights_stay_strict(tmp_path: Path):
    network = MaskedResNet3d(I3D_TINY, 14)
    save_weights(network, tmp_path / "net.safetensors")
    with pytest.raises(CheckpointError, match=r"head\.bias has shape"):
        load_weights(MaskedResNet3d(I3D_TINY, 9), tmp_path / "net.safetensors")


def test_an_i3d_of_ours_fits_slowonly_by_its_centre_taps():
    network = MaskedResNet3d(SPECS["slowonly_tiny"], 4)
    report = load_checkpoint(network, CLASSIFIER)
    assert report.shortened
    assert "centre taps alone" in str(report)
    assert report.head.startswith("fresh, 4 classes")
    ready = MaskedResNet3d(SPECS["slowonly_tiny"], 14)
    load_weights(ready, CLASSIFIER, centre_taps=True)
    for name, value in ready.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(network.state_dict()[name], value)
