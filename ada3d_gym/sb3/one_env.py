"""N environments of Stable-Baselines3 that are one object: what all such faces share."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices


class OneVecEnv(VecEnv):
    """A batch in one object, whose attributes are those of each environment."""

    _actions: Any = None
    _closed = False

    def step_async(self, actions: NDArray[Any]) -> None:
        self._actions = actions

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        return [getattr(self, attr_name)] * len(self._each(indices))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Sets it for all environments: they are one object."""
        setattr(self, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Calls it once: the environments are one object."""
        return [getattr(self, method_name)(*method_args, **kwargs)] * len(self._each(indices))

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        return [False] * len(self._each(indices))

    def _each(self, indices: VecEnvIndices) -> list[int]:
        return list(self._get_indices(indices))

    def _check_open(self) -> None:
        if self._closed:
            raise gym.error.ClosedEnvironmentError("the environment is closed: make a new one")
