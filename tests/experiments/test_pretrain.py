"""Pre-training: reproducible, resumable, and its weights are the ones that the library loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from ada3d_gym.building import build_bandit
from ada3d_gym.evaluation import evaluate
from ada3d_gym.networks.checkpoints import load_weights, read_metadata
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.selection import ClipTrunk
from ada3d_gym.networks.spec import SPECS
from ada3d_gym.shipped import CLASSIFIERS, SELECTION
from agents.reference import Fixed
from experiments.pretrain import pretrain, start_from
from tests.processes import kill_when, start

TINY: dict[str, Any] = {"epochs_2d": 1, "epochs_3d": 1, "epochs_selection": 1, "videos": 70}
FLAGS = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
NAMES = CLASSIFIERS["i3d_tiny"].name, SELECTION.name


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrain") / "unbroken"
    pretrain(output=folder, **TINY)
    return folder


def test_its_weights_fit_the_library(unbroken: Path):
    build_bandit(split="test", videos=2, checkpoint=unbroken / NAMES[0])
    load_weights(ClipTrunk(8, "mobilenet_v2_tiny"), unbroken / NAMES[1])
    for name in NAMES:
        assert "python -m experiments.pretrain" in read_metadata(unbroken / name)["command"]


def test_a_killed_run_goes_on_and_ends_with_the_same_weights(unbroken: Path, tmp_path: Path, capsys: Any):
    folder = tmp_path / "killed"
    kill_when(
        start("-m", "experiments.pretrain", "--output", str(folder), *FLAGS), (folder / "classifier-2d.pt").exists
    )
    assert not any((folder / name).exists() for name in NAMES)
    pretrain(output=folder, **TINY)
    for name in NAMES:
        one, other = load_file(folder / name), load_file(unbroken / name)
        assert all((value == other[key]).all() for key, value in one.items())


@pytest.mark.parametrize("change", [{"seed": 1}, {"epochs_2d": 2}, {"videos": 84}], ids=str)
def test_a_folder_holds_one_run(unbroken: Path, change: dict[str, int]):
    with pytest.raises(ValueError, match=f"{next(iter(change))}.*output"):
        pretrain(output=unbroken, **{**TINY, **change})


def test_a_network_can_start_from_one_with_longer_kernels(unbroken: Path, tmp_path: Path):
    """SlowOnly begins as the I3D whose first three stages are off."""
    start = unbroken / NAMES[0]
    deep = build_bandit(split="test", videos=6, checkpoint=start)
    slow = MaskedResNet3d(SPECS["slowonly_tiny"], len(deep.source.class_names))
    start_from(slow, start)
    clips, u = deep.source.clips(np.arange(6)), np.ones((6, 8), np.bool_)
    off = np.tile(np.array([False, False, False, True, True]), (6, 1))
    scores = NetworkClassifier(slow, deep.source.size).scores(clips, u, np.ones((6, 2), np.bool_))
    np.testing.assert_allclose(scores, deep.classifier.scores(clips, u, off), atol=1e-5)

    folder = tmp_path / "slow"
    options: dict[str, Any] = {**TINY, "epochs_2d": 0, "backbone": "slowonly_tiny", "parts": ("classifier",)}
    pretrain(output=folder, start=start, **options)
    name = CLASSIFIERS["slowonly_tiny"].name
    assert "--start" in read_metadata(folder / name)["command"]
    assert build_bandit(split="test", videos=2, backbone="slowonly_tiny", checkpoint=folder / name).num_stages == 2


@pytest.mark.parametrize("backbone", CLASSIFIERS)
@pytest.mark.parametrize("num_frames", [8, 16])
def test_what_ships_recognises_clips_of_both_lengths(backbone: str, num_frames: int):
    bandit = build_bandit(split="test", videos=56, views=1, num_frames=num_frames, backbone=backbone)
    whole = Fixed.upper(bandit.num_frames, bandit.num_stages)
    assert evaluate(bandit, whole.act).top1 > 0.9
