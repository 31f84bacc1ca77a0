"""X3D's weights of PySlowFast and pytorchvideo: the same logits as in pytorchvideo's own network."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from pytorchvideo.models.x3d import create_x3d

from ada3d_gym.networks.checkpoints.loading import load_checkpoint
from ada3d_gym.networks.checkpoints.weights import CheckpointError, load_weights, save_weights
from ada3d_gym.networks.inference import inference_form
from ada3d_gym.networks.macs import MacCounter
from ada3d_gym.networks.spec import X3D_S, X3D_XS
from ada3d_gym.networks.x3d import MaskedX3d
from tests.networks.x3d_peer import CLASSES, SMALL, as_slowfast, batch, loaded, masked_logits, randomise, small_peer


@pytest.mark.parametrize("slowfast", [True, False], ids=["PySlowFast", "pytorchvideo"])
@pytest.mark.parametrize("shortcut_norm", [True, False], ids=["a norm on each shortcut", "none on the first"])
def test_checkpoints(slowfast: bool, shortcut_norm: bool, tmp_path: Path):
    peer = small_peer(shortcut_norm=shortcut_norm)
    network, report = loaded(peer, tmp_path, slowfast)
    assert report.format == ("PySlowFast" if slowfast else "pytorchvideo")
    assert len(report.loaded) == len(peer.state_dict())
    assert not report.skipped
    assert report.without == (() if shortcut_norm else ("blocks.res2.0.shortcut.norm",))
    assert ("which the file has none for" in str(report)) is not shortcut_norm
    clips, u, v = batch()
    expected = masked_logits(peer, clips, u, v)
    own = MaskedX3d(SMALL, CLASSES).double().eval()
    save_weights(network, tmp_path / "own.safetensors")
    load_weights(own, tmp_path / "own.safetensors")
    again = MaskedX3d(SMALL, CLASSES).double().eval()
    assert load_checkpoint(again, tmp_path / "own.safetensors").format == "ada3d-gym"
    with torch.no_grad():
        for each in (network, own, again, inference_form(network, torch.float64)):
            torch.testing.assert_close(each(clips, u, v), expected, rtol=1e-9, atol=1e-9)


def test_weights_of_other_networks_are_refused(tmp_path: Path):
    torch.save(small_peer().state_dict(), tmp_path / "x3d.pyth")
    with pytest.raises(CheckpointError, match="weights of another network than x3d_s"):
        load_checkpoint(MaskedX3d(X3D_S, CLASSES), tmp_path / "x3d.pyth")
    state = {key: value for key, value in small_peer().state_dict().items() if "norm_b.1.block.2" not in key}
    torch.save(state, tmp_path / "x3d.pyth")
    with pytest.raises(CheckpointError, match=r"nothing in it is blocks\.res2\.0\.gate\.excite\.weight"):
        load_checkpoint(MaskedX3d(SMALL, CLASSES), tmp_path / "x3d.pyth")


def test_an_environment_with_a_checkpoint(sets: Path, tmp_path: Path):
    peer = create_x3d(model_num_class=400, head_activation=None).eval()
    randomise(peer, 0)
    torch.save({"model_state": as_slowfast(peer.state_dict())}, tmp_path / "x3d_s.pyth")
    options = {"data_root": str(sets / "kinetics"), "checkpoint": str(tmp_path / "x3d_s.pyth"), "videos": 2}
    with pytest.warns(UserWarning, match=r"the head is fresh, 4 classes: the file's head\.projection\.weight is for"):
        env = gym.make("ada3d_gym:Ada3D-Kinetics-X3DS-v0", split="test", **options)
    env.reset(seed=0)
    info = env.step(np.ones(13 + 5, np.int8))[-1]
    assert info["macs"] == MacCounter.of_spec(X3D_S, 160, 4).full(13)


def test_full_size_in_single_precision(tmp_path: Path):
    peer = create_x3d(input_clip_length=4, model_num_class=7, dropout_rate=0, head_activation=None).eval()
    randomise(peer, 1)
    torch.save({"model_state": peer.state_dict()}, tmp_path / "x3d.pyth")
    network = MaskedX3d(X3D_XS, 7).eval()
    load_checkpoint(network, tmp_path / "x3d.pyth")
    clips = torch.randn(1, 4, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    ones = torch.ones(1, 9, dtype=torch.bool)
    with torch.inference_mode():
        expected = peer(clips.transpose(1, 2))
        for form in (network, inference_form(network)):
            got = form(clips, ones[:, :4], ones[:, 4:])
            assert (got - expected).abs().max() / expected.abs().max() < 1e-4
