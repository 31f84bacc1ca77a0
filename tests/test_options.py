"""The keyword arguments of environments are those that are accepted, wherever they are written down."""

from __future__ import annotations

from inspect import signature

import pytest

from ada3d_gym.building import build_bandit
from ada3d_gym.datasets import video_clips
from ada3d_gym.embedded import embedded_clips
from ada3d_gym.envs.env import Ada3DEnv
from ada3d_gym.envs.vector_env import Ada3DVectorEnv
from ada3d_gym.options import BanditOptions, ReadingOptions
from ada3d_gym.sb3.vec_env import Ada3DVecEnv


def test_the_options_are_the_arguments_of_what_takes_them():
    core = signature(build_bandit).parameters.keys() - {"reading"}
    reading = {*signature(video_clips).parameters, *signature(embedded_clips).parameters} - {"name"}
    assert BanditOptions.__annotations__.keys() == core | reading
    assert ReadingOptions.__annotations__.keys() == reading - core


@pytest.mark.parametrize("face", [Ada3DEnv, Ada3DVectorEnv, Ada3DVecEnv])
def test_faces_say_which_they_take(face: type):
    assert signature(face.__init__).parameters["options"].annotation == "Unpack[BanditOptions]"
