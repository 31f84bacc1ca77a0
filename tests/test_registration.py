"""The table of ids: cheap to import, plain enough to travel as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from ada3d_gym.registration import ENVIRONMENTS, SETS, UNTRIMMED, check_id
from tests.ids import SOME
from tests.processes import run


def test_importing_the_package_registers_ids_and_loads_nothing_heavy():
    code = "import sys, ada3d_gym, gymnasium; print(*gymnasium.registry); print(*sys.modules)"
    ids, modules = (line.split() for line in run("-c", code).splitlines())
    assert ENVIRONMENTS.keys() <= set(ids)
    assert not {"torch", "torchvision", "decord", "av", "sklearn"} & set(modules)


def test_the_library_needs_neither_agents_nor_experiments():
    code = """
import sys, gymnasium
env = gymnasium.make("ada3d_gym:Ada3D-MotionShapes-v1", videos=2)
print(*sys.modules)
"""
    modules = set(run("-c", code).split())
    assert "torch" in modules
    assert not {"agents", "experiments", "stable_baselines3", "tyro", "matplotlib", "tabulate"} & modules


@pytest.mark.parametrize("name", SOME)
def test_a_spec_survives_json(name: str, make: Callable[..., Any]):
    env = make(name, videos=7, gamma=2.5, render_mode="rgb_array")
    copy = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert copy.render_mode == "rgb_array"
    for seed in range(3):
        one, other = env.reset(seed=seed), copy.reset(seed=seed)
        assert np.array_equal(one[0], other[0])
        assert one[1] == other[1]
        action = env.action_space.sample()
        assert env.step(action)[1:] == copy.step(action)[1:]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_spec_is_plain_json(name: str):
    spec = gym.spec(name)
    again = gym.envs.registration.EnvSpec.from_json(spec.to_json())
    assert again == spec
    assert not spec.additional_wrappers
    assert {"dataset", "num_frames", "backbone"} == set(spec.kwargs) - {"stride", "size"}


def test_the_table_is_sets_by_networks_by_lengths():
    kinds = Counter((kwargs["backbone"].partition("_")[0], kwargs["num_frames"]) for kwargs in ENVIRONMENTS.values())
    x3d = dict.fromkeys([("x3d", 4), ("x3d", 13), ("x3d", 16)], 6)  # none of embedded videos
    assert kinds == dict.fromkeys([("i3d", 8), ("i3d", 16), ("slowonly", 8), ("slowonly", 16)], 7) | x3d


def test_x3d_sees_clips_as_it_was_trained_on():
    kwargs = gym.spec("Ada3D-Kinetics-X3DS-v0").kwargs
    assert kwargs == {"dataset": "kinetics", "num_frames": 13, "stride": 6, "size": 160, "backbone": "x3d_s"}


def test_an_id_of_another_version_names_the_one_that_there_is():
    with pytest.raises(ValueError, match=r"'Ada3D-MotionShapes-16-v0'.*use Ada3D-MotionShapes-16-v1"):
        check_id("Ada3D-MotionShapes-16-v0")


def test_each_set_has_an_environment_of_clip_selection():
    assert list(UNTRIMMED) == [f"Ada3D-{name}Untrimmed-v0" for name in SETS]
    for name in UNTRIMMED:
        spec = gym.spec(name)
        assert gym.envs.registration.EnvSpec.from_json(spec.to_json()) == spec
    with pytest.raises(ValueError, match=r"'Ada3D-FCVIDUntrimmed-v0' is an environment of clip selection"):
        check_id("Ada3D-FCVIDUntrimmed-v0")
