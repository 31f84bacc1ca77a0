"""The policy's network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models import mobilenet_v2

from ada3d_gym.building import build_trunk
from ada3d_gym.datasets import motionshapes_clips
from ada3d_gym.networks.checkpoints.weights import CheckpointError, load_weights
from ada3d_gym.networks.macs import MacCounter, count_macs
from ada3d_gym.networks.selection import Aggregation, ClipTrunk, SelectionNetwork
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.registration import ENVIRONMENTS
from ada3d_gym.shipped import SELECTION

PIXELS = torch.randint(0, 256, (3, 8, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def network(keep: float = 0.8, **options) -> SelectionNetwork:
    torch.manual_seed(0)
    return SelectionNetwork(ClipTrunk(8, "mobilenet_v2_tiny", **options), 5, keep).eval()


@pytest.mark.parametrize("aggregation", ["concat", "mean"])
@pytest.mark.parametrize("keep", [0.5, 0.8])
def test_training_starts_from_masks_that_keep_about_what_was_asked(aggregation: str, keep: float):
    frames, stages = network(keep, aggregation=aggregation)(PIXELS)
    assert frames.shape == (3, 8)
    assert stages.shape == (3, 5)
    for logits in (frames, stages):
        assert logits.sigmoid().mean().item() == pytest.approx(keep, abs=0.05)


def test_training_may_start_from_a_mask():
    begin = np.array([0, 1, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1], np.int8)
    torch.manual_seed(0)
    selection = SelectionNetwork(ClipTrunk(8, "mobilenet_v2_tiny"), 5, 0.8, begin).eval()
    kept = torch.cat([part.sigmoid().mean(0) for part in selection(PIXELS)])
    assert kept.tolist() == pytest.approx(np.where(begin, 0.8, 0.2).tolist(), abs=0.1)


@pytest.mark.parametrize(("aggregation", "tells"), [("concat", True), ("mean", False)])
def test_only_concat_tells_which_frame_is_which(aggregation: str, tells: bool):
    selection = network(aggregation=aggregation)
    with torch.no_grad():
        frames = selection.trunk.frames(PIXELS)
        one, other = (selection.heads(each)[0].frames for each in (frames, frames.flip(1)))
    same = torch.allclose(one, other, atol=1e-6)
    assert same is not tells


def test_the_papers_backbone_is_there():
    trunk = ClipTrunk(2, "mobilenet_v2", "mean").eval()
    assert trunk.features == 1280
    assert trunk(PIXELS[:1, :2]).shape == (1, 1280)


def test_the_tiny_one_sees_what_changes_from_frame_to_frame():
    trunk = ClipTrunk(8, "mobilenet_v2_tiny").eval()
    still = PIXELS[:1, :1].expand(1, 8, -1, -1, -1)
    changed = still.clone()
    changed[:, 4] = PIXELS[1:2, 0]
    with torch.no_grad():
        same = (trunk.frames(changed) == trunk.frames(still)).all(2)[0]
    assert same.tolist() == [True] * 4 + [False] * 2 + [True] * 2


@pytest.mark.parametrize("env_id", [name for name in ENVIRONMENTS if "MotionShapes" in name])
@pytest.mark.parametrize("aggregation", ["concat", "mean"])
def test_it_costs_next_to_nothing_beside_the_whole_3d_network(env_id: str, aggregation: Aggregation):
    options = ENVIRONMENTS[env_id]
    spec, frames = SPECS[options["backbone"]], options["num_frames"]
    selection = SelectionNetwork(build_trunk(frames, 32, aggregation=aggregation), spec.num_stages).eval()
    cost = count_macs(selection, torch.zeros(1, frames, 3, 32, 32, dtype=torch.uint8))
    assert 0 < cost <= 0.03 * MacCounter.of_spec(spec, 32, 14).full(frames)


def test_a_linear_layer_on_the_shipped_trunk_tells_families():
    trunk = ClipTrunk(8, "mobilenet_v2_tiny").eval()
    load_weights(trunk, SELECTION)
    clips = motionshapes_clips("test", videos=84)
    ids = np.arange(len(clips))
    with torch.no_grad():
        features = trunk(torch.from_numpy(clips.observations(ids))).double()
    inputs = torch.cat([features, torch.ones(len(ids), 1)], 1)
    families = [("scene", "object", "motion").index(clips.record(i).family) for i in ids.tolist()]
    wanted = torch.nn.functional.one_hot(torch.tensor(families)).double()
    seen = torch.from_numpy(ids) < 56 * clips.views
    ridge = 10 * torch.eye(inputs.shape[1])
    layer = torch.linalg.solve(inputs[seen].T @ inputs[seen] + ridge, inputs[seen].T @ wanted[seen])
    right = (inputs @ layer).argmax(1) == wanted.argmax(1)
    assert right[~seen].double().mean() > 0.9


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"backbone": "resnet"}, "'resnet'.*mobilenet_v2, mobilenet_v2_tiny"),
        ({"aggregation": "max"}, "'max'.*'concat' or 'mean'"),
    ],
)
def test_what_it_does_not_know_is_refused(options: dict[str, str], told: str):
    with pytest.raises(ValueError, match=told):
        ClipTrunk(8, **options)


def test_a_trunk_for_longer_clips_sees_the_same_in_frames_that_come_twice():
    short, long = build_trunk(8, 32).eval(), build_trunk(16, 32).eval()
    clips = torch.randint(0, 256, (3, 8, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(long(clips.repeat_interleave(2, 1)), short(clips), atol=1e-5)


def test_a_backbone_starts_from_torchvisions_checkpoint(tmp_path: Path):
    theirs = mobilenet_v2()
    torch.save(theirs.state_dict(), tmp_path / "mobilenet_v2.pth")
    trunk = build_trunk(4, 112, tmp_path / "mobilenet_v2.pth")
    for key, value in theirs.features.state_dict().items():
        assert torch.equal(trunk.backbone.state_dict()[key], value)
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other\.pth: expected a checkpoint of torchvision's mobilenet_v2"):
        build_trunk(4, 112, tmp_path / "other.pth")


@pytest.mark.parametrize("name", ["net.safetensors", "net.pth", "net"])
def test_weights_of_a_trunk_are_told_by_their_content(name: str, tmp_path: Path):
    trunk = ClipTrunk(8, "mobilenet_v2_tiny")
    theirs = {f"features.{key}": value for key, value in trunk.backbone.state_dict().items()}
    for save, state in ((save_file, trunk.state_dict()), (save_file, theirs), (torch.save, theirs)):
        save(state, tmp_path / name)
        loaded = build_trunk(8, 32, tmp_path / name)
        assert all(torch.equal(loaded.backbone.state_dict()[key], x) for key, x in trunk.backbone.state_dict().items())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"features.1.se.fc1.weight": torch.zeros(8, 16)}, r"features\.1\.se\.fc1\.weight is not expected"),
        ({"classifier.3.weight": torch.zeros(8, 16)}, r"classifier\.3\.weight is not expected"),
        ({"projector.weight": torch.zeros(8, 16)}, r"projector\.weight is not expected"),
        ({"features.0.1.bias": torch.full((32,), torch.nan)}, r"features\.0\.1\.bias is not finite"),
        ({"features.0.1.bias": torch.zeros(16)}, r"features\.0\.1\.bias has shape \(16,\), expected \(32,\)"),
    ],
)
def test_a_backbone_loses_no_trained_tensor_in_silence(change: dict[str, Tensor], told: str, tmp_path: Path):
    torch.save({"model": mobilenet_v2().state_dict() | change}, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=rf"net\.pth: expected .* torchvision's mobilenet_v2: {told}"):
        build_trunk(4, 112, tmp_path / "net.pth")


def test_a_backbone_starts_from_wrapped_weights_without_counters(tmp_path: Path):
    theirs = mobilenet_v2().state_dict()
    state = {f"module.{key}": value for key, value in theirs.items() if not key.endswith("num_batches_tracked")}
    torch.save({"state_dict": state}, tmp_path / "net.pth")
    trunk = build_trunk(4, 112, tmp_path / "net.pth")
    assert torch.equal(trunk.backbone[0][0].weight, theirs["features.0.0.weight"])
