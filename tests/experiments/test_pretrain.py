"""Pre-training: reproducible, resumable, and its weights are the ones that the library loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from ada3d_gym.agents.reference import Fixed
from ada3d_gym.building import build_bandit
from ada3d_gym.evaluation import evaluate
from ada3d_gym.experiments.pretrain import pretrain, turned
from ada3d_gym.networks.checkpoints.weights import load_weights, read_metadata
from ada3d_gym.networks.selection import ClipTrunk
from ada3d_gym.shipped import CLASSIFIER, CLASSIFIER_BACKBONES, SELECTION
from ada3d_gym.video.motionshapes.drawing import CLASSES, MOTIONS
from tests.processes import kill_when, start

TINY: dict[str, Any] = {"epochs_2d": 1, "epochs_3d": 1, "epochs_selection": 1, "videos": 28}
FLAGS = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
NAMES = CLASSIFIER.name, SELECTION.name


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


@pytest.mark.slow
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


def test_slowonly_is_i3d_with_its_first_three_stages_off():
    deep, slow = (build_bandit(split="test", videos=6, backbone=name) for name in CLASSIFIER_BACKBONES)
    clips, u = deep.source.clips(np.arange(6)), np.ones((6, 8), np.bool_)
    off = np.tile(np.array([False, False, False, True, True]), (6, 1))
    scores = slow.classifier.scores(clips, u, np.ones((6, 2), np.bool_))
    np.testing.assert_allclose(scores, deep.classifier.scores(clips, u, off), atol=1e-5)


@pytest.mark.parametrize("backbone", CLASSIFIER_BACKBONES)
@pytest.mark.parametrize("num_frames", [8, 16])
def test_what_ships_recognises_clips_of_both_lengths(backbone: str, num_frames: int):
    bandit = build_bandit(split="test", videos=56, views=1, num_frames=num_frames, backbone=backbone)
    whole = Fixed.upper(bandit.num_frames, bandit.num_stages)
    assert evaluate(bandit, whole.act).top1 > 0.9


@pytest.mark.parametrize("name", MOTIONS)
def test_a_clip_that_is_turned_or_mirrored_has_the_class_that_it_shows(name: str):
    generator = torch.Generator().manual_seed(0)
    clips, labels = turned(moving(name).repeat(64, 1, 1, 1, 1), torch.full((64,), CLASSES.index(name)), generator)
    assert [CLASSES[label] for label in labels] == [seen(clip) for clip in clips]
    assert {CLASSES[label] for label in labels} == set(MOTIONS[4:] if name in MOTIONS[4:] else MOTIONS[:4])


def moving(name: str) -> Tensor:
    """A clip (1, 2, 3, 32, 32) of a bright square that goes from the middle, or an eighth around it."""
    goes = {"left": (-8, 0), "right": (8, 0), "up": (0, -8), "down": (0, 8)}
    if name in goes:
        places = [(16, 16), (16 + goes[name][0], 16 + goes[name][1])]
    else:  # from the right, y pointing down
        places = [(24, 16), (22, 22 if name == "clockwise" else 10)]
    clip = torch.zeros(1, 2, 3, 32, 32, dtype=torch.uint8)
    for frame, (x, y) in enumerate(places):
        clip[0, frame, :, y - 2 : y + 2, x - 2 : x + 2] = 255
    return clip


def seen(clip: Tensor) -> str:
    """The motion of such a clip (2, 3, 32, 32)."""
    (y, x), (to_y, to_x) = ((frame[0].nonzero().float().mean(0) - 15.5).tolist() for frame in clip)
    if abs(x) + abs(y) > 4:  # it starts off the middle
        return "clockwise" if x * to_y - y * to_x > 0 else "counterclockwise"
    if abs(to_x) > abs(to_y):
        return "right" if to_x > 0 else "left"
    return "down" if to_y > 0 else "up"
