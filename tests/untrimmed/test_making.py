"""How environments of clip selection are made: from ids, options and ready looks, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.registration import SETS, UNTRIMMED
from ada3d_gym.untrimmed.core import LookingCore
from ada3d_gym.untrimmed.env import LookingEnv
from ada3d_gym.untrimmed.sb3 import LookingVecEnv, make_sb3_vec
from ada3d_gym.untrimmed.vector_env import LookingVectorEnv
from tests.untrimmed.known import KnownLooks


def test_faces_take_a_core_or_options(known: KnownLooks):
    with pytest.raises(TypeError, match="steps would be ignored"):
        LookingEnv(LookingCore(known), steps=3)
    with pytest.raises(InputError, match="'human': expected None or 'rgb_array'"):
        LookingEnv(LookingCore(known), render_mode="human")
    for kind in (LookingVectorEnv, LookingVecEnv):
        with pytest.raises(InputError, match="num_envs=0"):
            kind(0, LookingCore(known))


@pytest.fixture(scope="module")
def ready(sets: Any) -> Callable[[str], dict[str, Any]]:
    """What each registered id needs to be made on its fixture, or on a few of the embedded videos."""

    def options(name: str) -> dict[str, Any]:
        dataset = UNTRIMMED[name]["dataset"]
        if dataset == "motionshapes-untrimmed":
            return {"split": "test", "videos": 2}
        tiny = {"data_root": str(sets / dataset), "checkpoint": str(sets / "i3d_tiny.safetensors")}
        return {**tiny, "backbone": "i3d_tiny", "size": 32, "split": "test", "videos": 4, "places": 3}

    return options


ALWAYS = ("MotionShapes", "FCVID", "ActivityNet")
NAMES = [pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow) for name in SETS]


@pytest.mark.parametrize("name", NAMES)
def test_registered_ids_are_made_in_all_ways(name: str, ready: Callable[[str], dict[str, Any]]):
    name = f"Ada3D-{name}Untrimmed-v0"
    options = ready(name)
    env = gym.make(name, steps=2, **options)
    spec = gym.envs.registration.EnvSpec.from_json(env.spec.to_json())
    observation, info = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    assert gym.make(spec).reset(seed=0)[1] == info
    looks = env.unwrapped.core.looks
    envs = gym.make_vec(name, num_envs=2, looks=looks)
    assert envs.unwrapped.core.looks is looks
    assert envs.reset(seed=0)[1]["video"][0] == info["video"]
    sb3 = make_sb3_vec(name, 2, looks=looks, flat=True)
    assert sb3.step((sb3.reset(), np.array([[0.0, 0], [1, 0]]))[1])[1].shape == (2,)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"place": 3}, "unknown argument for clip selection: place; .*did you mean places"),
        ({"size": 64}, "unknown argument for clip selection: size; expected .* sampling, workers$"),
        ({"dataset": "videos", "flip": True}, "unknown argument for clip selection: flip"),
        ({"memory_bytes": -1}, "memory_bytes=-1: expected a whole number"),
        ({"selection": 3}, "selection=3: expected a path"),
        ({"places": 0}, "places=0"),
        ({"split": "dev"}, "'dev'"),
        ({"selection": "nowhere.safetensors"}, r"nowhere\.safetensors: no such weights file"),
        ({"selection": None, "num_frames": 7}, "num_frames=7"),
        ({"features": "trunk.safetensors"}, "features would be ignored"),
        ({"dataset": "motionshapes"}, "no selection network ships for motionshapes"),
        ({"backbone": "c3d"}, "unknown backbone 'c3d'"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], said: str):
    with pytest.raises(Exception, match=said):
        gym.make("Ada3D-MotionShapesUntrimmed-v0", **{"split": "test", "videos": 2, **options})


def test_options_beside_ready_looks(known: KnownLooks):
    with pytest.raises(InputError, match="split, data_root would be ignored beside ready looks"):
        gym.make("Ada3D-FCVIDUntrimmed-v0", looks=known, split="test", data_root="FOLDER")
    with pytest.raises(InputError, match=r"'Ada3D-FCVID-v0': expected one of .*did you mean Ada3D-FCVIDUntrimmed-v0"):
        make_sb3_vec("Ada3D-FCVID-v0", 2)


def test_a_selection_network_of_other_clips_is_refused(selection_file: Any):
    with pytest.raises(Exception, match=r"chooses among 8 frames of 32 pixels and 5 stages .*these clips .*16 frames"):
        gym.make("Ada3D-MotionShapesUntrimmed-v0", split="test", videos=2, num_frames=16, selection=str(selection_file))
    with pytest.raises(Exception, match=r"have 2 stages \(res4, res5\)"):
        gym.make(
            "Ada3D-MotionShapesUntrimmed-v0",
            split="test",
            videos=2,
            backbone="slowonly_tiny",
            selection=str(selection_file),
        )
