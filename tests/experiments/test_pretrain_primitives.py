"""Clips that are drawn while a network learns them, and its weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.pretrain_primitives import PARTS, pretrain_primitives
from ada3d_gym.experiments.primitives.drawing import MOTIONS, draw_clips
from ada3d_gym.networks.checkpoints.weights import load_weights, read_metadata
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.shipped import shipped_start


@pytest.mark.parametrize("hardness", [0.0, 1.0])
def test_the_same_seed_draws_the_same_clips_and_another_does_not(hardness: float):
    one, same, other = (draw_clips(4, 8, 32, torch.Generator().manual_seed(seed), hardness) for seed in (1, 1, 2))
    assert one.clips.shape == (4, 8, 3, 32, 32) and one.clips.dtype == torch.uint8
    assert torch.equal(one.clips, same.clips) and torch.equal(one.labels, same.labels)
    assert not torch.equal(one.clips, other.clips)
    assert (one.labels < torch.tensor(PARTS)).all()


def test_still_objects_change_less_than_those_that_cross_the_frame():
    drawn = draw_clips(256, 8, 32, torch.Generator().manual_seed(0), 0.0)  # before a plain background
    change = drawn.clips.float().diff(dim=1).abs().mean((1, 2, 3, 4))
    still, crossing = (
        torch.isin(drawn.labels[:, 2], torch.tensor([MOTIONS.index(name) for name in names]))
        for names in (("still",), ("left", "right", "up", "down"))
    )
    assert change[still].median() < change[crossing].median()


def test_its_weights_fit_the_network_as_those_that_ship_do(tmp_path: Path):
    pretrain_primitives(output=tmp_path, updates=1)
    for path in (tmp_path / "i3d_small-primitives.safetensors", shipped_start("i3d_small")):
        assert path is not None
        load_weights(MaskedResNet3d(SPECS["i3d_small"], sum(PARTS)), path)
        assert read_metadata(path)["command"].startswith("ada3d pretrain-primitives --seed 0 --backbone i3d_small")
    with pytest.raises(InputError, match="updates=0: expected at least 1"):
        pretrain_primitives(output=tmp_path, updates=0)
