"""X3D under masks, held to pytorchvideo's own on the kept frames alone."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorchvideo.models.x3d import create_x3d
from torch import nn
from torch.nn import functional as F

from ada3d_gym.errors import InputError
from ada3d_gym.finetuning import ClassifierTrainer
from ada3d_gym.networks import channelwise, inference_x3d, passes
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.conversion.convert import convert
from ada3d_gym.networks.graph_files import GraphError, check_classifier, write_graph
from ada3d_gym.networks.graphs import classifier_graph
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.macs import MacCounter, count_macs
from ada3d_gym.networks.spec import SPECS, X3D_M, X3D_S, X3D_TINY, X3D_XS, X3dSpec
from ada3d_gym.networks.x3d import MaskedX3d
from tests.networks.x3d_peer import CLASSES, SIDE, SMALL, batch, cut, loaded, masked_logits, small_peer, temporal


@pytest.fixture(scope="module")
def peer() -> nn.Module:
    return small_peer()


@pytest.fixture(scope="module")
def network(peer: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> MaskedX3d:
    return loaded(peer, tmp_path_factory.mktemp("x3d"))[0]


@pytest.fixture(params=["segments", "taps"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One 3D convolution for each run of clips, as on a CPU, and one for each tap."""
    if request.param == "taps":
        monkeypatch.setattr(channelwise, "by_segments", lambda frames, weight: False)
        monkeypatch.setattr(inference_x3d, "by_runs", lambda frames: False)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions as such, padded taps included: PyTorch counts no products of single values."""
    monkeypatch.setattr(channelwise, "by_segments", lambda frames, weight: True)


@pytest.mark.parametrize("frames", [4, 13])
def test_masked_logits_equal_pytorchvideos_on_the_kept_frames(peer: nn.Module, network: MaskedX3d, way: None, frames):
    clips, u, v = batch(frames)
    expected = masked_logits(peer, clips, u, v)
    assert expected.std(0).min() > 1e-3
    with torch.no_grad():
        torch.testing.assert_close(network(clips, u, v), expected, rtol=1e-9, atol=1e-9)


def test_each_stage_has_a_bit_of_its_own(peer: nn.Module, network: MaskedX3d):
    assert network.stage_names == ("conv1", "res2", "res3", "res4", "res5")
    clips = batch()[0][:1].expand(5, -1, -1, -1, -1)
    u, v = torch.ones(5, 8, dtype=torch.bool), torch.eye(5, dtype=torch.bool)
    with torch.no_grad():
        logits = network(clips, u, v)
    torch.testing.assert_close(logits, masked_logits(peer, clips, u, v), rtol=1e-9, atol=1e-9)
    assert len(logits[:, 0].unique()) == 5


def test_gates_see_the_mean_over_the_kept_frames_even_of_stages_that_are_off(network: MaskedX3d):
    """So such a clip is not the mean of its frames by themselves, but does not depend on their order."""
    clips = batch()[0][:1]
    u, v = torch.ones(1, 8, dtype=torch.bool), torch.zeros(1, 5, dtype=torch.bool)
    with torch.no_grad():
        whole = network(clips, u, v)
        torch.testing.assert_close(network(clips.flip(1), u, v), whole, rtol=1e-9, atol=1e-9)
        alone = network(clips[0][:, None], u.T, v.expand(8, -1))
    assert (alone.mean(0) - whole[0]).abs().max() > 1e-4 * whole.abs().max()


def test_gradients(peer: nn.Module, network: MaskedX3d, way: None):
    clips, u, v = batch()
    v[:] = torch.tensor([True, False, True, True, False])
    keeping = u.any(1)
    clips, u, v = clips[keeping].requires_grad_(), u[keeping], v[keeping]
    network.zero_grad()
    network(clips, u, v).square().sum().backward()
    got, clips.grad = clips.grad, None
    reference = cut(peer, v[0])
    for clip, keep in zip(clips, u, strict=True):
        reference(clip[keep].transpose(0, 1)[None]).square().sum().backward()
    torch.testing.assert_close(got, clips.grad, rtol=1e-8, atol=1e-10)
    ours = dict(network.named_parameters())
    for stage, conv in temporal(reference):  # what a tap that is off would have gained does not count
        conv.weight.grad *= v[0, stage] if conv.weight.shape[2] > 1 else 1.0
    pairs = {
        "stem.conv_xy.weight": reference.blocks[0].conv.conv_t.weight,
        "blocks.res2.0.b.conv.weight": None,
        "blocks.res3.0.b.conv.weight": reference.blocks[2].res_blocks[0].branch2.conv_b.weight,
        "blocks.res4.0.gate.squeeze.weight": reference.blocks[3].res_blocks[0].branch2.norm_b[1].block[0].weight,
        "blocks.res5.2.c.norm.weight": reference.blocks[4].res_blocks[2].branch2.norm_c.weight,
        "lin5.weight": reference.blocks[5].pool.post_conv.weight,
        "head.bias": reference.blocks[5].proj.bias,
    }
    for name, theirs in pairs.items():
        grad = ours[name].grad
        assert grad is not None
        if theirs is None:  # off: the centre tap alone is trained
            assert grad[:, :, 1].abs().max() > 0
            assert grad[:, :, 0::2].abs().max() == 0
        else:
            assert theirs.grad.abs().max() > 0
            torch.testing.assert_close(grad, theirs.grad.reshape(grad.shape), rtol=1e-7, atol=1e-9)


def test_a_training_step_equals_pytorchvideos(tmp_path: Path):
    """Batch norm by the statistics of the batch, everything kept."""
    peer = small_peer(shortcut_norm=True).train()
    network, _ = loaded(peer, tmp_path)
    network.train()
    clips, labels = batch()[0][:3], torch.tensor([0, 1, 4])
    ones = torch.ones(3, 13, dtype=torch.bool)
    for module, logits in ((network, lambda: network(clips, ones[:, :8], ones[:, 8:])),
                           (peer, lambda: peer(clips.transpose(1, 2)))):  # fmt: skip
        optimizer = torch.optim.SGD(module.parameters(), 0.01)
        F.cross_entropy(logits(), labels).backward()
        optimizer.step()
    network.eval(), peer.eval()
    with torch.no_grad():
        expected = peer(clips.transpose(1, 2))
        torch.testing.assert_close(network(clips, ones[:, :8], ones[:, 8:]), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("most", [1, 20])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_the_inference_form_gives_the_same_in_passes_of_any_length(
    network: MaskedX3d, way: None, most: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(passes, "PASS_PIXELS", most * SIDE**2)
    clips, u, v = batch()
    form, tolerance = inference_form(network, dtype), 1e-9 if dtype == torch.float64 else 1e-4
    with torch.inference_mode():
        expected = network(clips, u, v).to(dtype)
        for _ in range(2):  # weights get oneDNN's layout on the way
            torch.testing.assert_close(form(clips.to(dtype), u, v), expected, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(form(clips.to(dtype)[u], u, v), expected, rtol=tolerance, atol=tolerance)
        assert torch.equal(form(clips.to(dtype), u & False, v), form.head.bias.expand(7, -1))
        with pytest.raises(InputError, match="packed frames"):
            form(clips.to(dtype)[u][1:], u, v)


def test_lower_precision(network: MaskedX3d):
    clips, u, v = batch()
    with torch.inference_mode():
        expected = network(clips, u, v)
        got = inference_form(network, torch.bfloat16)(clips.bfloat16(), u, v)
    assert got.dtype == torch.bfloat16
    assert (got.double() - expected).abs().max() / expected.abs().max() < 5e-2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(network: MaskedX3d, dtype: torch.dtype):
    clips, u, v = batch()
    single = copy.deepcopy(network).float()
    with torch.autocast("cpu", dtype):
        got = single(clips.float(), u, v)
        got.float().sum().backward()
    with torch.no_grad():
        expected = network(clips, u, v)
    assert (got.double() - expected).abs().max() / expected.abs().max() < 5e-2
    used = {key: value for key, value in single.named_parameters() if "shortcut.norm" not in key}
    assert all(value.grad is not None and value.grad.dtype == torch.float32 for value in used.values())


def test_the_form_computes_no_more_and_keeps_its_input(network: MaskedX3d, counted: None):
    clips, u, v = batch()
    kept, form = clips.clone(), inference_form(network, torch.float64)
    assert count_macs(form, clips, u, v) == count_macs(network, clips, u, v)
    assert torch.equal(clips, kept)


def test_it_can_be_trained():
    torch.manual_seed(0)
    classifier = NetworkClassifier(MaskedX3d(X3D_TINY, CLASSES, dropout=0.0), SIDE)
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 256, (6, 8, 3, SIDE, SIDE), np.uint8)
    u, v = rng.random((6, 8)) < 0.7, rng.random((6, 5)) < 0.5
    u[:, 0] = True
    before = classifier.scores(clips, u, v)
    trainer = ClassifierTrainer(classifier, 0.01)
    losses = [trainer.step(clips, u, v, np.eye(CLASSES, dtype=np.bool_)[np.arange(6) % CLASSES]) for _ in range(8)]
    assert losses[-1] < losses[0]
    assert not np.allclose(classifier.scores(clips, u, v), before)


@pytest.mark.parametrize(
    ("spec", "side", "published"),
    [(X3D_XS, 160, 0.605), (X3D_S, 160, 1.963), (X3D_M, 224, 4.732), (X3D_S, 182, None), (X3D_M, 256, None)],
)
def test_macs_are_those_published_and_pytorchvideos(spec: X3dSpec, side: int, published: float | None):
    counter = MacCounter.of_spec(spec, side, 400)
    with torch.device("meta"):
        peer = create_x3d(input_clip_length=spec.frames, input_crop_size=side, head_activation=None).eval()
        assert counter.full(spec.frames) == count_macs(peer, torch.zeros(1, 3, spec.frames, side, side))
    if published is not None:
        assert counter.full(spec.frames) / 1e9 == pytest.approx(published, abs=5e-4)
        assert (spec.side, SPECS[spec.name]) == (side, spec)


def test_the_counter_agrees_with_pytorch_on_what_is_computed(network: MaskedX3d, counted: None):
    counter = MacCounter.of_spec(SMALL, SIDE, CLASSES)
    rng = np.random.default_rng(0)
    for _ in range(4):
        u, v = rng.random((1, 8)) < 0.7, rng.random((1, 5)) < 0.5
        u[0, :2] = True
        measured = count_macs(network, batch()[0][:1], torch.tensor(u), torch.tensor(v))
        assert counter(u, v).tolist() == [measured]


@pytest.mark.parametrize("suffix", [pytest.param(".onnx", marks=pytest.mark.slow), ".pt2"])
def test_as_a_graph(network: MaskedX3d, suffix: str, tmp_path: Path):
    v, path = [True, False, True, False, True], tmp_path / f"classifier{suffix}"
    single = copy.deepcopy(network).float()
    write_graph(classifier_graph(single, v, SIDE), path)
    assert 0 < check_classifier(path, single, v, 4, SIDE) < 1e-4
    with pytest.raises(GraphError, match="off its network"):
        check_classifier(path, single, [True] * 5, 4, SIDE)


def test_pytorchvideos_own_can_be_converted(peer: nn.Module, network: MaskedX3d):
    converted = convert(peer, size=SIDE)
    assert converted.stage_names == tuple(f"blocks.{stage}" for stage in range(5))
    assert converted.network.state_dict().keys() == peer.state_dict().keys()
    clips, u, v = batch()
    keeps = u.any(1)
    with torch.no_grad():
        expected = network(clips, u, v)
        torch.testing.assert_close(converted(clips, u, v)[keeps], expected[keeps], rtol=1e-9, atol=1e-9)
    ours, theirs = network.count(SIDE), converted.count(SIDE)
    assert theirs.stage.tolist() == ours.stage.tolist()
    gated = {1: 1, 2: 1, 3: 3, 4: 2}  # blocks of each stage
    gates = sum(2 * SMALL.inner(stage) * SMALL.gate(stage) * blocks for stage, blocks in gated.items())
    assert theirs.frame - ours.frame == ours.head - theirs.head == gates  # computed for each frame
