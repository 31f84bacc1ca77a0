"""Half precision: near float32, in float32 outside, and never taken for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import gymnasium as gym
import numpy as np
import pytest
import torch

import ada3d_gym  # noqa: F401 (registers environments)
from ada3d_gym.agents.reinforce import Reinforce, ReinforceConfig
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit, build_observer
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.evaluate import evaluate
from ada3d_gym.networks.classifier import NetworkClassifier
from ada3d_gym.networks.pixels import Pixels
from ada3d_gym.networks.resnet3d import MaskedResNet3d
from ada3d_gym.networks.selection import ClipTrunk, SelectionNetwork
from ada3d_gym.networks.spec import I3D_TINY
from ada3d_gym.observers import Observer
from ada3d_gym.outcomes.storage import TableError
from ada3d_gym.precision import Precision
from ada3d_gym.prediction.policies import NetworkPolicy

HALF = [each for each in get_args(Precision) if each != "float32"]


@pytest.fixture(scope="module")
def masks() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((24, 8)) < 0.7, rng.random((24, 5)) < 0.5


def in_precision(bandit: ClipBandit, precision: Precision | None, observer: Observer | None = None) -> ClipBandit:
    classifier = NetworkClassifier(bandit.classifier.network, 32, precision=precision)
    return ClipBandit(bandit.source, classifier, bandit.reward, observer, precision=precision)


@pytest.mark.parametrize("precision", HALF)
def test_a_pull_in_half_precision_is_near_one_in_float32(
    precision: Precision, bandit: ClipBandit, masks: tuple[np.ndarray, np.ndarray]
):
    half = in_precision(bandit, precision)
    ids = np.tile(np.arange(0, 60, 5), 2)
    told, expected = half.pull(ids, *masks), bandit.pull(ids, *masks)
    assert told.scores.dtype == np.float32
    assert np.abs(told.scores - expected.scores).max() < 0.1
    assert (told.prediction == expected.prediction).mean() > 0.9
    assert np.array_equal(told.macs, expected.macs)


def test_float32_is_what_is_computed_by_default(bandit: ClipBandit, masks: tuple[np.ndarray, np.ndarray]):
    clips = bandit.source.clips(np.arange(24))
    named = in_precision(bandit, "float32").classifier
    assert np.array_equal(named.scores(clips, *masks), bandit.classifier.scores(clips, *masks))


def test_environments_take_a_precision_by_its_name():
    env = gym.make("Ada3D-MotionShapes-v1", split="test", videos=28, precision="bfloat16")
    assert env.unwrapped.bandit.classifier.dtype == torch.bfloat16
    with pytest.raises(InputError, match="precision='half'"):
        build_bandit(precision="half")
    with pytest.raises(InputError, match="one or the other"):
        NetworkClassifier(MaskedResNet3d(I3D_TINY, 2), 32, dtype=torch.float16, precision="bfloat16")


def test_a_table_answers_in_no_other_precision_than_its_own():
    assert (
        build_bandit(split="test", videos=28, outcomes="table", precision="float32").classifier.table.about.dtype
        == "float32"
    )
    with pytest.raises(TableError, match="precision=float32, and this environment of precision=bfloat16"):
        build_bandit(split="test", videos=28, outcomes="table", precision="bfloat16")


def features(bandit: ClipBandit, precision: Precision | None) -> Observer:
    return build_observer(bandit.source, "features", precision=precision)


def test_features_of_frames_leave_in_float32(bandit: ClipBandit):
    expected, *others = (features(bandit, each)(np.arange(4)) for each in (None, *HALF))
    for told in others:
        assert told.dtype == np.float32
        assert np.abs(told - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("precision", HALF)
@pytest.mark.parametrize("observation", ["pixels", "features"])
def test_policies_act_in_half_precision_as_in_float32(precision: Precision, observation: str, bandit: ClipBandit):
    torch.manual_seed(0)
    observers = [features(bandit, each) if observation == "features" else None for each in (None, precision)]
    bandits = [in_precision(bandit, *each) for each in zip((None, precision), observers, strict=True)]
    trunk = ClipTrunk(8, "mobilenet_v2_tiny")
    if observation == "features":
        trunk.drop_backbone()
    selection = SelectionNetwork(trunk, 5, keep=0.5)
    for head in (selection.frame_head, selection.stage_head):
        torch.nn.init.normal_(head.weight, std=0.3)
    shown = bandits[0].observer(np.arange(24))
    acts = [Reinforce(selection, each, ReinforceConfig(joint_epochs=0)).act(shown) for each in bandits]
    assert (acts[0] == acts[1]).mean() > 0.95
    assert acts[1].dtype == np.int8


@pytest.mark.parametrize("precision", HALF)
def test_a_predictors_policy_acts_in_half_precision(precision: Precision, bandit: ClipBandit):
    torch.manual_seed(0)
    selection = SelectionNetwork(ClipTrunk(8, "mobilenet_v2_tiny"), 5, keep=0.5)
    torch.nn.init.normal_(selection.frame_head.weight, std=0.3)
    shown = bandit.source.observations(np.arange(20))
    whole, half = (NetworkPolicy(selection, 32, precision=each).act(shown) for each in (None, precision))
    assert (whole == half).mean() > 0.95


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_bytes_are_normalised_to_the_nearest_or_next_value_of_half_precision(dtype: torch.dtype):
    shown, half = Pixels(), Pixels()
    half.shown_as = dtype
    frames = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, -1, -1)
    error = (half(frames).float() - shown(frames)).abs() / shown(frames).abs().clamp(min=1e-6)
    assert half(frames).dtype == dtype
    assert error.max() < 2 * torch.finfo(dtype).eps


def test_a_judgement_in_half_precision_says_so(tmp_path: Path):
    for precision in (None, "bfloat16"):
        evaluate("Ada3D-MotionShapes-v1", "upper", videos=2, precision=precision, output=tmp_path / "lines.jsonl")
    whole, half = map(json.loads, (tmp_path / "lines.jsonl").read_text().splitlines())
    assert "precision" not in whole["judged"]
    assert half["judged"]["precision"] == "bfloat16"
    assert half["gmacs"] == whole["gmacs"]
