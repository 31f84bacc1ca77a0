"""Stable-Baselines3's face of the codings."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvObs, VecEnvStepReturn, VecEnvWrapper

from ada3d_gym.envs.codings import MaskCoding
from ada3d_gym.envs.wrappers import fitting_coding


class VecCodedAction(VecEnvWrapper):
    """`ada3d_gym.envs.wrappers.CodedAction` for any `VecEnv` of masks, decoding all actions at once.

    Args:
        venv: environments whose actions are masks, `MultiBinary(T + K)`.
        coding, options: as in `CodedAction`. Environments in other processes (`SubprocVecEnv`) need a ready coding, or
            `CodedAction` around each.

    Attributes:
        coding: the `MaskCoding`; its `encode` is the inverse of what this wrapper does.

    Example:
        >>> from ada3d_gym.sb3 import VecCodedAction, make_vec
        >>> envs = VecCodedAction(make_vec("Ada3D-MotionShapes-v1", 2, split="test", videos=14), "discrete")
        >>> envs.action_space
        Discrete(8160)
    """

    def __init__(self, venv: VecEnv, coding: str | MaskCoding, **options: Any):
        self.coding = fitting_coding(coding, venv.action_space, lambda: venv.get_attr("bandit", 0)[0], options)
        super().__init__(venv, action_space=self.coding.space)

    def reset(self) -> VecEnvObs:
        return self.venv.reset()

    def step_async(self, actions: np.ndarray[Any, Any]) -> None:
        """Raises:
        ActionError: for actions outside `action_space`, and for another number of them than environments.
        """
        self.venv.step_async(self.coding.decode(actions, batch=(self.num_envs,)))

    def step_wait(self) -> VecEnvStepReturn:
        return self.venv.step_wait()
