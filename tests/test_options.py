"""The keyword arguments of environments are those that are accepted, wherever they are written down."""

from __future__ import annotations

import re
from inspect import signature

import pytest

from ada3d_gym.building import build_bandit
from ada3d_gym.datasets import video_clips
from ada3d_gym.embedded import embedded_clips
from ada3d_gym.envs.env import Ada3DEnv
from ada3d_gym.envs.vector_env import Ada3DVectorEnv
from ada3d_gym.errors import InputError
from ada3d_gym.options import BanditOptions, LookingOptions, LookOptions, PlaceOptions, ReadingOptions
from ada3d_gym.sb3.vec_env import Ada3DVecEnv
from ada3d_gym.untrimmed.building import build_core, build_looks
from ada3d_gym.untrimmed.env import LookingEnv
from ada3d_gym.untrimmed.sb3 import LookingVecEnv
from ada3d_gym.untrimmed.vector_env import LookingVectorEnv


def test_the_options_are_the_arguments_of_what_takes_them():
    core = signature(build_bandit).parameters.keys() - {"reading"}
    reading = {*signature(video_clips).parameters, *signature(embedded_clips).parameters} - {"name"}
    assert BanditOptions.__annotations__.keys() == core | reading
    assert ReadingOptions.__annotations__.keys() == reading - core


def test_those_of_clip_selection_are_too():
    core, looks = ({*signature(build).parameters} - {"options", "reading"} for build in (build_core, build_looks))
    reading = PlaceOptions.__annotations__.keys()
    assert LookOptions.__annotations__.keys() == looks | reading
    assert LookingOptions.__annotations__.keys() == core | looks | reading
    with pytest.raises(InputError) as refused:
        build_looks(dataset="videos", **{"flip": True})  # type: ignore[arg-type]
    named = re.search("expected some of (.*)", str(refused.value))
    assert named and {*named[1].split(", ")} == LookingOptions.__annotations__.keys()


FACES = {Ada3DEnv: "Bandit", Ada3DVectorEnv: "Bandit", Ada3DVecEnv: "Bandit"}
FACES |= dict.fromkeys((LookingEnv, LookingVectorEnv, LookingVecEnv), "Looking")


@pytest.mark.parametrize("face", FACES)
def test_faces_say_which_they_take(face: type):
    assert signature(face.__init__).parameters["options"].annotation == f"Unpack[{FACES[face]}Options]"


@pytest.mark.parametrize("face", FACES)
def test_faces_take_no_word_for_true(face: type):
    with pytest.raises(InputError, match="label_at_reset='no': expected True or False"):
        face(label_at_reset="no")
