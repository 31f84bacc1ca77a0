"""Graphs in files against the live networks and the slow reference."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

import ada3d_gym
from ada3d_gym.errors import InputError
from ada3d_gym.networks.conversion import convert
from ada3d_gym.networks.graph_files import (
    TOLERANCE,
    GraphError,
    check_classifier,
    check_selection,
    open_graph,
    write_graph,
)
from ada3d_gym.networks.graphs import SelectionGraph, classifier_graph
from ada3d_gym.networks.macs import MacCounter
from ada3d_gym.networks.masked import MaskedNetwork
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.selection import ClipTrunk, SelectionNetwork, greedy
from ada3d_gym.networks.spec import SPECS as SHIPPED_SPECS
from ada3d_gym.networks.spec import ResNet3dSpec
from tests.networks.dense import SPECS, dense_logits, random_network

SIDE, FRAMES = 32, 8


def masks(stages: int) -> list[list[bool]]:
    return [[True] * stages, [False] * stages, [stage % 2 == 0 for stage in range(stages)]]


def kept_frames(batch: int, kept: int) -> Tensor:
    generator = torch.Generator().manual_seed(kept)
    return torch.randint(0, 256, (batch, kept, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8)


def random_selection(frames: int = FRAMES, backbone: str = "mobilenet_v2_tiny", **options) -> SelectionNetwork:
    """Whose batch norms and heads all matter."""
    torch.manual_seed(0)
    selection = SelectionNetwork(ClipTrunk(frames, backbone, **options), 5)
    for name, value in selection.state_dict().items():
        if name.endswith("running_mean"):
            value.normal_(std=0.3)
        if name.endswith("running_var"):
            value.uniform_(0.3, 1)
        if name.endswith("head.weight"):
            value.normal_()
        if name.endswith("head.bias"):
            value.zero_()
    return selection


@pytest.mark.parametrize("name", SPECS)
def test_a_stage_mask_for_good_is_the_slow_reference(name: str):
    network = random_network(SPECS[name])
    for v in masks(network.num_stages):
        graph = classifier_graph(network, v, SIDE)
        for kept in range(1, FRAMES + 1):
            frames = kept_frames(2, kept)
            everything = torch.ones(2, kept, dtype=torch.bool)
            seen = network.pixels(frames.flatten(0, 1)).unflatten(0, (2, kept)).double()
            with torch.no_grad():
                expected = dense_logits(network, seen, everything, torch.tensor([v, v])).float()
                logits, scores = graph(frames)
            torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
            torch.testing.assert_close(scores, logits.softmax(1))


ONNX = pytest.param(".onnx", marks=pytest.mark.slow)  # tests of `ada3d export` write and check some in any case


@pytest.mark.parametrize("suffix", [ONNX, ".pt2"])
@pytest.mark.parametrize("name", ["i3d_tiny", pytest.param("small_slowonly", marks=pytest.mark.slow)])
def test_a_written_classifier_takes_any_number_of_kept_frames(name: str, suffix: str, tmp_path: Path):
    network = random_network(SPECS[name])
    path, v = tmp_path / f"classifier{suffix}", masks(network.num_stages)[2]
    write_graph(classifier_graph(network, v, SIDE), path)
    assert 0 < check_classifier(path, network, v, FRAMES, SIDE) < TOLERANCE
    with pytest.raises(GraphError, match=rf"classifier\{suffix} is .* off its network for 2 kept frames"):
        check_classifier(path, network, [not v[0], *v[1:]], FRAMES, SIDE)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
@pytest.mark.parametrize("name", [name for name, spec in SHIPPED_SPECS.items() if isinstance(spec, ResNet3dSpec)])
def test_every_network_of_the_package(name: str, suffix: str, tmp_path: Path):
    network = random_network(SHIPPED_SPECS[name])
    for v in masks(network.num_stages):
        write_graph(classifier_graph(network, v, SIDE), tmp_path / f"classifier{suffix}")
        check_classifier(tmp_path / f"classifier{suffix}", network, v, FRAMES, SIDE)


@pytest.mark.parametrize("suffix", [ONNX, ".pt2"])
@pytest.mark.parametrize(
    "options", [{}, pytest.param({"frames": 16, "aggregation": "mean"}, marks=pytest.mark.slow)], ids=str
)
def test_a_written_selection_network(suffix: str, options: dict, tmp_path: Path):
    selection, path = random_selection(**options), tmp_path / f"selection{suffix}"
    write_graph(SelectionGraph(selection, SIDE), path)
    assert check_selection(path, selection, SIDE) < TOLERANCE  # none at all on one thread; others are noticed, below
    clips = kept_frames(5, options.get("frames", FRAMES))
    frame_logits, stage_logits, u, v = open_graph(path)(clips.numpy())
    with torch.no_grad():
        expected = selection.eval()(clips)
    np.testing.assert_allclose(frame_logits, expected.frames, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(stage_logits, expected.stages, rtol=1e-4, atol=1e-4)
    for got, mask in zip((u, v), greedy(expected), strict=True):
        assert got.dtype == bool
        np.testing.assert_array_equal(got, mask)
    with pytest.raises(GraphError, match=r"off its network"):
        check_selection(path, _other(selection), SIDE)


def _other(selection: SelectionNetwork) -> SelectionNetwork:
    with torch.no_grad():
        selection.stage_head.bias += 1
    return selection


@pytest.mark.slow
def test_the_papers_selection_network(tmp_path: Path):
    selection = random_selection(backbone="mobilenet_v2")
    write_graph(SelectionGraph(selection, 112), tmp_path / "selection.onnx")
    assert check_selection(tmp_path / "selection.onnx", selection, 112) < TOLERANCE


class MeanInForward(nn.Module):
    """Dilated, grouped, biased, with a mean of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(3, 8, (5, 3, 3), (1, 2, 2), padding=(2, 1, 1))
        self.second = nn.Conv3d(8, 8, 3, padding=(2, 1, 2), dilation=(2, 1, 2), groups=4, bias=False)
        self.norm, self.fc = nn.BatchNorm3d(8), nn.Linear(8, 6)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.norm(self.second(self.first(x).relu())).relu().mean((2, 3, 4)))
        return out


def mc3() -> nn.Module:
    network: nn.Module = torchvision.models.video.mc3_18(num_classes=6)
    return network


@pytest.mark.parametrize("make", [MeanInForward, pytest.param(mc3, marks=pytest.mark.slow)])
def test_converted_networks(make: Callable[[], nn.Module], tmp_path: Path):
    torch.manual_seed(0)
    network = convert(make().eval(), size=SIDE, remove_time_strides=True)
    path = tmp_path / "classifier.pt2"
    for v in masks(network.num_stages)[::2]:
        write_graph(classifier_graph(network, v, SIDE), path)
        assert check_classifier(path, network, v, FRAMES, SIDE) < TOLERANCE
    if isinstance(network.network, MeanInForward):
        with pytest.raises(GraphError):
            check_classifier(path, network, [False, True], FRAMES, SIDE)


@pytest.mark.parametrize("suffix", [ONNX, ".pt2"])
def test_a_file_tells_what_it_is_and_nothing_of_this_machine(suffix: str, tmp_path: Path):
    network = random_network(SPECS["small_slowonly"])
    path = tmp_path / f"classifier{suffix}"
    write_graph(classifier_graph(network, [True, False], SIDE), path, {"stages": "10"})
    content = path.read_bytes()
    assert str(Path(ada3d_gym.__file__).parents[1]).encode() not in content
    assert str(tmp_path).encode() not in content
    if suffix == ".pt2":
        extra = {"stages": ""}
        torch.export.load(path, extra_files=extra)
        assert extra == {"stages": "10"}
    else:
        import onnxruntime

        session = onnxruntime.InferenceSession(path)
        assert session.get_modelmeta().custom_metadata_map == {"stages": "10"}
        assert [(each.name, each.shape) for each in session.get_inputs()] == [("frames", ["batch", "kept", 3, 32, 32])]
        assert [each.name for each in session.get_outputs()] == ["logits", "scores"]


class Unknown(MaskedNetwork):
    stage_names, classes = ("a",), 2

    def count(self, size: int) -> MacCounter:
        raise NotImplementedError

    def forward(self, clips: Tensor, u: Tensor, v: Tensor) -> Tensor:
        raise NotImplementedError


def test_what_has_no_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    network = MaskedResNet3d(SPECS["small_slowonly"], 3)
    with pytest.raises(InputError, match=r"a stage mask of 3 bits: expected 2 \(res4, res5\)"):
        classifier_graph(network, [True] * 3, SIDE)
    with pytest.raises(InputError, match="Unknown has no graph"):
        classifier_graph(Unknown(), [True], SIDE)
    blind = random_selection()
    blind.trunk.drop_backbone()
    with pytest.raises(InputError, match="shown features of frames"):
        SelectionGraph(blind, SIDE)
    graph = classifier_graph(network, [True] * 2, SIDE)
    with pytest.raises(InputError, match=r"graph\.bin: expected a name that ends in \.onnx or \.pt2"):
        write_graph(graph, tmp_path / "graph.bin")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"ONNX graphs need onnxruntime.*ada3d-gym\[export\]"):
        write_graph(graph, tmp_path / "graph.onnx")
    assert not list(tmp_path.iterdir())
