"""For Stable-Baselines3, which the rest of the package does without."""

from ada3d_gym.sb3.callback import JointFineTuneCallback
from ada3d_gym.sb3.extractors import IndexExtractor, PixelExtractor, policy_kwargs
from ada3d_gym.sb3.policy import SelectionPolicy, selection_kwargs
from ada3d_gym.sb3.vec_env import Ada3DVecEnv, make_vec
from ada3d_gym.sb3.wrappers import VecCodedAction

__all__ = [
    "Ada3DVecEnv",
    "IndexExtractor",
    "JointFineTuneCallback",
    "PixelExtractor",
    "SelectionPolicy",
    "VecCodedAction",
    "make_vec",
    "policy_kwargs",
    "selection_kwargs",
]
