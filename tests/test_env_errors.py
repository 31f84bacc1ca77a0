"""What a user may get wrong with an environment, and what it says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_classifier
from ada3d_gym.envs.env import Ada3DEnv
from ada3d_gym.errors import InputError
from ada3d_gym.masks import ActionError
from ada3d_gym.networks.checkpoints.weights import CheckpointError
from ada3d_gym.rewards import MaskReward
from ada3d_gym.shipped import SELECTION
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.motionshapes.drawing import CLASSES
from ada3d_gym.video.records import VideoError
from ada3d_gym.video.sampling import ClipSampler
from tests.ids import SOME
from tests.malice import WRITERS
from tests.video.files import BAD_FILES, video_file


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"split": "dev"}, "'dev'.*train, val, test"),
        ({"num_frames": 0}, "num_frames=0"),
        ({"videos": 0}, "videos=0: expected a whole number"),
        ({"videos": "7"}, "videos='7': expected a whole number"),
        ({"device": None}, "unknown device None"),
        ({"videos": 10**6}, "1000000 is outside 1 to"),
        ({"views": 0}, "views=0"),
        ({"views": 2.5}, "views=2.5: expected a whole number"),
        ({"gama": 6.0}, r"; did you mean gamma\?"),
        ({"backbone": "i3d_r18"}, "'i3d_r18'.*i3d_r50, slowonly_r50, i3d_tiny, slowonly_tiny"),
        ({"gamma": -1}, "gamma=-1"),
        ({"gamma": float("nan")}, "gamma=nan"),
        ({"cost": "time"}, "'time'.*usage, macs"),
        ({"reward": "f1"}, "'f1'.*accuracy, confidence, margin"),
        ({"observation": "sound"}, "'sound'.*pixels, features, index"),
        ({"order": "sorted"}, "'sorted'.*epochs, iid"),
    ],
)
def test_options_out_of_range(name: str, options: dict[str, Any], told: str, make: Callable[..., Any]):
    with pytest.raises(ValueError, match=told):
        make(name, **{"videos": 2, **options})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"flip": "no"}, "flip='no': expected True or False"),
        ({"strict": 1}, "strict=1: expected True or False"),
        ({"cache_bytes": "1GB"}, "cache_bytes='1GB': expected a whole number of at least 0"),
        ({"cache_bytes": -5}, "cache_bytes=-5: expected a whole number of at least 0"),
        ({"ahead_bytes": "x"}, "ahead_bytes='x': expected a whole number"),
        ({"seed": "a"}, "seed='a': expected a whole number"),
        ({"seed": -1}, "seed=-1: expected a whole number"),
        ({"data_root": 3}, "data_root=3: expected a path"),
        ({"checkpoint": 3}, "checkpoint=3: expected a path"),
    ],
)
def test_how_video_files_are_read_is_checked(options: dict[str, Any], told: str, make: Callable[..., Any]):
    with pytest.raises(InputError, match=told):
        make("Ada3D-FCVID-v0", **options)


def test_a_classifier_that_does_not_fit_and_a_checkpoint_beside_one(bandit: ClipBandit, make: Callable[..., Any]):
    for name, options, told in (
        ("Ada3D-FCVID-v0", {"checkpoint": None, "classifier": bandit.classifier}, "14 classes.*4: expected that of"),
        ("Ada3D-FCVID-v0", {"classifier": bandit.classifier}, "checkpoint would be ignored"),
        ("Ada3D-MotionShapes-v1", {"classifier": "i3d_tiny"}, "classifier is str: expected a NetworkClassifier"),
    ):
        with pytest.raises(ValueError, match=told):
            make(name, **options)


def test_a_shared_classifier_counts_operations_at_each_environments_own_size(make: Callable[..., Any]):
    small = make("Ada3D-FCVID-v0").unwrapped.bandit
    large = make("Ada3D-FCVID-v0", size=64, checkpoint=None, classifier=small.classifier).unwrapped.bandit
    masks = np.ones((1, 8), np.bool_), np.ones((1, 5), np.bool_)
    assert large.classifier.network is small.classifier.network
    assert large.pull(np.array([0]), *masks).macs > 3 * small.pull(np.array([0]), *masks).macs


def test_an_unknown_render_mode(bandit: ClipBandit):
    with pytest.raises(ValueError, match=r"'ansi'.*'rgb_array', 'human'"):
        Ada3DEnv(bandit, render_mode="ansi")


def test_options_beside_a_ready_bandit_are_not_ignored(bandit: ClipBandit):
    with pytest.raises((TypeError, ValueError), match="gamma"):
        Ada3DEnv(bandit, gamma=3.0)


NO_MASKS: dict[str, Any] = {
    "too short": np.ones(12),
    "too long": np.ones(14),
    "a column": np.ones((13, 1)),
    "a batch of one": np.ones((1, 13)),
    "a batch": np.ones((2, 13)),
    "an empty batch": np.ones((0, 13)),
    "a number": np.float32(1),
    "two": [1] * 12 + [2],
    "a half": [0.5] * 13,
    "not a number": [np.nan] * 13,
    "text": "1" * 13,
    "nothing": None,
    "a dictionary": {"frames": [1] * 8},
}


@pytest.mark.parametrize("kind", NO_MASKS)
def test_an_action_that_is_no_mask_leaves_the_episode_open(bandit: ClipBandit, kind: str):
    env = Ada3DEnv(bandit)
    env.reset(seed=0)
    with pytest.raises(ActionError, match="expected 8 frame bits and 5 stage bits"):
        env.step(NO_MASKS[kind])
    assert env.step(np.ones(13))[2]


@pytest.mark.parametrize("name", SOME)
def test_weights_that_are_missing_damaged_or_of_another_network(name: str, tmp_path: Path, make: Callable[..., Any]):
    missing, damaged = tmp_path / "none.safetensors", tmp_path / "damaged.safetensors"
    damaged.write_bytes(SELECTION.read_bytes()[:-100])
    for path, told in (
        (missing, "no such weights file"),
        (damaged, "not a readable safetensors file"),
        (SELECTION, r"backbone\.0\.0\.weight .* of no known checkpoint"),
    ):
        with pytest.raises(CheckpointError, match=f"{path}: {told}"):
            make(name, videos=2, checkpoint=str(path))


def test_a_backbone_without_shipped_weights_asks_for_a_checkpoint():
    with pytest.raises((CheckpointError, ValueError), match=r"i3d_r50.*checkpoint"):
        gym.make("Ada3D-MotionShapes-v1", videos=2, backbone="i3d_r50")


@pytest.mark.parametrize("write", WRITERS)
def test_a_pickle_given_as_checkpoint_runs_nothing(tmp_path: Path, write: Callable[[Path, Path], None]):
    path, victim = tmp_path / "evil.pt", tmp_path / "victim"
    write(path, victim)
    with pytest.raises(CheckpointError, match=str(path)):
        gym.make("Ada3D-MotionShapes-v1", videos=2, checkpoint=path)
    assert not victim.exists()


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_video_is_named_by_reset_and_the_next_reset_goes_on(tmp_path: Path, kind: str):
    bad = video_file(tmp_path / "bad.mp4")
    good = video_file(tmp_path / "good.mp4")
    os.remove(bad.path)
    BAD_FILES[kind](bad.path)
    clips = VideoClips([bad, good], CLASSES, ClipSampler(8, 4, 1, 32), observation_size=32)
    env = Ada3DEnv(ClipBandit(clips, build_classifier(clips), MaskReward()))
    seen = set()
    for episode in range(6):
        try:
            env.reset(seed=0 if episode == 0 else None)
            seen.add(env.step(np.ones(13))[-1]["video"])
        except VideoError as error:
            assert error.path == bad.path
            seen.add("error")
    assert seen == {str(good.path), "error"}


def test_a_video_that_vanishes_after_reset_can_still_be_stepped_and_is_named_by_the_next_that_reads_it(tmp_path: Path):
    record = video_file(tmp_path / "a.mp4")
    clips = VideoClips([record], CLASSES, ClipSampler(8, 4, 1, 32), observation_size=32)
    env = Ada3DEnv(ClipBandit(clips, build_classifier(clips), MaskReward()))
    env.reset()
    record.path.unlink()
    assert env.step(np.ones(13))[2]
    with pytest.raises(VideoError, match=f"{record.path}: is missing"):
        clips.full_size(0)


def test_a_closed_environment_says_so(bandit: ClipBandit):
    env = Ada3DEnv(bandit)
    env.reset()
    env.close()
    env.close()
    for call in (env.reset, lambda: env.step(np.ones(13))):
        with pytest.raises(gym.error.ClosedEnvironmentError, match="make a new one"):
            call()
