"""Checkpoints of other networks, or with numbers that no trained network has, are refused by the first wrong tensor."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ada3d_gym.networks.checkpoints.loading import load_checkpoint
from ada3d_gym.networks.checkpoints.weights import CheckpointError
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import I3D_R50
from tests.networks.checkpoint_writers import as_caffe2, as_pytorchvideo, slowfast_state, write_slowfast


@pytest.fixture(scope="module")
def i3d() -> dict[str, Tensor]:
    return slowfast_state("i3d_r50")


def without(key: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda state: {name: value for name, value in state.items() if name != key}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: slowfast_state("slowonly_r50"), r"s1\.pathway0_stem\.conv\.weight has shape .*1, 7, 7.*5, 7, 7"),
        (without("s4.pathway0_res2.branch2.b.weight"), r"nothing in it is blocks\.res4\.2\.b\.conv\.weight"),
        (lambda state: {**state, "s4.pathway0_res6.branch2.a.weight": torch.zeros(1)}, r"res6.* has no place"),
        (lambda state: {"layers.0.weight": torch.zeros(3)}, r"layers\.0\.weight .* of no known checkpoint"),
        (lambda state: {"epoch": 3}, "holds no tensors by name"),
    ],
    ids=["another depth in time", "a key short", "a block more", "unknown", "no tensors"],
)
def test_another_architecture_is_refused_by_its_first_wrong_key(change, told: str, tmp_path: Path):
    path = tmp_path / "net.pyth"
    torch.save({"model_state": change(slowfast_state("i3d_r50"))}, path)
    network = MaskedResNet3d(I3D_R50, 7)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(CheckpointError, match=rf"{path}.*{told}"):
        load_checkpoint(network, path)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


BLOCK = {"theta": (256, 512, 1, 1, 1), "phi": (256, 512, 1, 1, 1), "g": (256, 512, 1, 1, 1), "out": (512, 256, 1, 1, 1)}
MORE: dict[str, tuple[str, dict[str, tuple[int, ...]]]] = {
    "non-local blocks": (
        "PySlowFast",
        {f"s3.pathway0_nonlocal1.conv_{part}.weight": shape for part, shape in BLOCK.items()},
    ),
    "non-local blocks, Caffe2": (
        "PySlowFast, Caffe2",
        {f"nonlocal_conv3_1_{part}_w": shape for part, shape in BLOCK.items()},
    ),
    "squeeze and excitation": ("pytorchvideo", {"blocks.1.res_blocks.0.branch2.norm_b.1.block.0.weight": (8, 64)}),
    "a second pathway": ("PySlowFast", {"s1_fuse.conv_f2s.weight": (16, 8, 5, 1, 1), "s1.pathway1_stem.bn.bias": (8,)}),
    "biases on convolutions": ("PySlowFast", {"s2.pathway0_res0.branch2.a.bias": (64,)}),
    "biases on convolutions, by name": ("pytorchvideo", {"blocks.1.res_blocks.0.branch2.conv_a.bias": (64,)}),
    "blocks of an R101": ("PySlowFast", {"s4.pathway0_res6.branch2.a.weight": (256, 1024, 3, 1, 1)}),
    "a second head": ("PySlowFast", {"head_verb.projection.weight": (9, 2048), "head_verb.projection.bias": (9,)}),
    "a second head, by name": ("pytorchvideo", {"blocks.6.proj.weight": (7, 2048)}),
    "a projection head": ("PySlowFast", {"projector.0.weight": (128, 2048)}),
    "an average of the weights": ("PySlowFast", {"ema_s1.pathway0_stem.conv.weight": (64, 3, 5, 7, 7)}),
    "quantisation": ("PySlowFast", {"s1.activation_post_process.min_val": ()}),
    "one parameter": ("PySlowFast", {"temperature": ()}),
}


# Those that differ by the name alone of what has no place.
ALIKE = ("squeeze and excitation", "biases on convolutions", "blocks of an R101", "a projection head", "quantisation")


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in ALIKE)) for kind in MORE])
def test_a_trained_tensor_without_a_place_is_another_network(kind: str, i3d: dict[str, Tensor], tmp_path: Path):
    form, more = MORE[kind]
    path, arrays = tmp_path / "net.pkl", {key: torch.full(shape, 0.1) for key, shape in more.items()}
    if form == "PySlowFast, Caffe2":
        blobs = as_caffe2(i3d) | {key: value.numpy() for key, value in arrays.items()}
        path.write_bytes(pickle.dumps({"blobs": blobs}, protocol=2))
    else:
        write_slowfast(path, (as_pytorchvideo(i3d) if form == "pytorchvideo" else i3d) | arrays)
    network = MaskedResNet3d(I3D_R50, 7)
    before = network.stem.norm.running_var.clone()
    with pytest.raises(CheckpointError, match=rf"{path} \({form}\): {re.escape(min(more))} has no place"):
        load_checkpoint(network, path)
    assert torch.equal(network.stem.norm.running_var, before)


def test_what_belongs_to_the_training_is_left_out_and_listed(i3d: dict[str, Tensor], tmp_path: Path):
    training = {
        "s1.pathway0_stem.conv.weight_momentum": torch.zeros(64, 3, 5, 7, 7),
        "optimizer.state.0.exp_avg": torch.zeros(5),
        "model_iter": torch.tensor(3),
        "lr": torch.tensor([0.1]),
        "s9.bn.num_batches_tracked": torch.tensor(3),
    }
    write_slowfast(tmp_path / "net.pyth", i3d | training)
    report = load_checkpoint(MaskedResNet3d(I3D_R50, 7), tmp_path / "net.pyth")
    assert report.skipped == tuple(sorted(training))
    assert len(report.loaded) == 320
    assert (report.where, report.left) == ("model_state", ())


def test_a_head_without_a_bias_is_kept(i3d: dict[str, Tensor], tmp_path: Path):
    network = MaskedResNet3d(I3D_R50, 7)
    write_slowfast(tmp_path / "net.pyth", without("head.projection.bias")(i3d))
    assert load_checkpoint(network, tmp_path / "net.pyth").head == "kept, 7 classes"
    assert torch.equal(network.head.weight, i3d["head.projection.weight"])
    assert not network.head.bias.any()


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("s5.pathway0_res2.branch2.c.weight", float("nan"), "is not finite .*in 1 of 1048576 .*an earlier checkpoint"),
        ("head.projection.weight", float("-inf"), "is not finite"),
        ("s1.pathway0_stem.bn.running_mean", float("inf"), "is not finite"),
        ("s1.pathway0_stem.bn.running_var", -0.1, "is a variance and has values below zero"),
    ],
)
@pytest.mark.parametrize("classes", [7, 9])
def test_numbers_that_no_trained_network_has_are_refused(
    key: str, value: float, told: str, classes: int, i3d: dict[str, Tensor], tmp_path: Path
):
    wrong = i3d[key].clone()
    wrong.view(-1)[-1] = value
    torch.save(i3d | {key: wrong}, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=rf"net\.pth: {re.escape(key)} {told}"):
        load_checkpoint(MaskedResNet3d(I3D_R50, classes), tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda kernel: kernel.mul(100).to(torch.int8), "is of int8, expected float32"),
        (lambda kernel: kernel.to_sparse(), "is of sparse_coo, expected float32"),
        (lambda kernel: kernel.to("meta"), "is of meta, expected float32"),
    ],
    ids=["quantised", "sparse", "without numbers"],
)
def test_tensors_that_are_not_plain_numbers_are_refused(change, told: str, i3d: dict[str, Tensor], tmp_path: Path):
    key = "s1.pathway0_stem.conv.weight"
    torch.save(i3d | {key: change(i3d[key])}, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=rf"{key} {told}"):
        load_checkpoint(MaskedResNet3d(I3D_R50, 7), tmp_path / "net.pth")


def test_half_precision_and_averaged_counters_are_taken(i3d: dict[str, Tensor], tmp_path: Path):
    torch.save({key: value.half() for key, value in i3d.items()}, tmp_path / "net.pth")
    network = MaskedResNet3d(I3D_R50, 7)
    load_checkpoint(network, tmp_path / "net.pth")
    assert torch.equal(network.stem.conv.weight, i3d["s1.pathway0_stem.conv.weight"].half().float())
