"""Gymnasium wrappers: other action spaces for the same masks, and both heads' rewards apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorActionWrapper, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from ada3d_gym.envs.codings import CODINGS, MaskCoding
from ada3d_gym.errors import InputError

Rewards = NDArray[np.float64]

HEADS = ("reward_frames", "reward_stages")


class CodedAction(gym.ActionWrapper[Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Actions of a coding in place of masks; everything else as before.

    Args:
        env: an environment whose actions are masks, `MultiBinary(T + K)`.
        coding: a name in `ada3d_gym.envs.codings.CODINGS` ("discrete", "multi_discrete", "box", "frame_budget"), or a
            ready `MaskCoding`. `env.spec` goes through JSON with a name only.
        options: arguments of the named coding beside T and K: masks of "discrete", at_least and at_most of
            "frame_budget".

    Attributes:
        coding: the `MaskCoding`; its `encode` is the inverse of what this wrapper does.

    Raises:
        ValueError, TypeError: see `fitting_coding`.

    Example:
        >>> import gymnasium as gym
        >>> from ada3d_gym.envs.wrappers import CodedAction
        >>> env = CodedAction(gym.make("Ada3D-MotionShapes-v1", split="test", videos=14), "discrete")
        >>> env.action_space
        Discrete(8160)
        >>> _ = env.reset(seed=0)
        >>> action = env.coding.encode([0, 0, 1, 0, 0, 0, 1, 0] + [0, 0, 0, 0, 1])  # the one that stands for this mask
        >>> env.step(action)[4]["frames"]
        2
    """

    def __init__(self, env: gym.Env[Any, Any], coding: str | MaskCoding, **options: Any):
        gym.utils.RecordConstructorArgs.__init__(self, coding=coding, **options)
        super().__init__(env)
        self.coding = fitting_coding(coding, env.action_space, lambda: _bandit(env.unwrapped), options)
        self.action_space = self.coding.space

    def action(self, action: ArrayLike) -> NDArray[np.int8]:
        """The mask (T + K,) int8 of one action.

        Raises:
            ActionError: for an action outside `action_space`.
        """
        return self.coding.decode(action, batch=())


class VectorCodedAction(VectorActionWrapper):
    """`CodedAction` for vector environments, decoding all actions at once.

    Args:
        env: a vector environment whose actions are masks.
        coding, options: as in `CodedAction`. Environments in other processes (`AsyncVectorEnv`) need a ready coding, or
            `CodedAction` around each.

    Example:
        >>> import gymnasium as gym
        >>> from ada3d_gym.envs.wrappers import VectorCodedAction
        >>> envs = gym.make_vec("Ada3D-MotionShapes-v1", num_envs=3, split="test", videos=14)
        >>> envs = VectorCodedAction(envs, "frame_budget", at_least=1, at_most=4)
        >>> _ = envs.reset(seed=0)
        >>> envs.step([[1] * 13] * 3)[4]["final_info"]["frames"].tolist()  # all frames are too many
        [4, 4, 4]
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], coding: str | MaskCoding, **options: Any):
        super().__init__(env)
        self.coding = fitting_coding(coding, env.single_action_space, lambda: _bandit(env.unwrapped), options)
        self.single_action_space = self.coding.space
        self.action_space = batch_space(self.coding.space, env.num_envs)

    def actions(self, actions: ArrayLike) -> NDArray[np.int8]:
        """The masks (num_envs, T + K) int8 of an action for each environment.

        Raises:
            ActionError: for actions outside `action_space`.
        """
        return self.coding.decode(actions, batch=(self.num_envs,))


class HeadRewards(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """The reward as a float64 vector (reward of the frame mask, reward of the stage mask), as MO-Gymnasium has it.

    Its sum is the scalar reward: `gym.wrappers.TransformReward(HeadRewards(env), np.sum)` undoes it.

    Attributes:
        reward_space: `Box(-inf, inf, (2,), float64)`, since rewards of one's own know no bounds; also set on
            `env.unwrapped`, where multi-objective libraries look for it.

    Example:
        >>> import gymnasium as gym, numpy as np
        >>> from ada3d_gym.envs.wrappers import HeadRewards
        >>> env = HeadRewards(gym.make("Ada3D-MotionShapes-v1", split="test", videos=14))
        >>> _ = env.reset(seed=0)
        >>> env.step(np.int8([1] * 8 + [0] * 5))[1].shape
        (2,)
    """

    def __init__(self, env: gym.Env[Any, Any]):
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self.reward_space = _head_space((2,))
        setattr(env.unwrapped, "reward_space", self.reward_space)  # noqa: B010 (no attribute of every Env)

    def step(self, action: Any) -> tuple[Any, Rewards, bool, bool, dict[str, Any]]:
        observation, _, terminated, truncated, info = self.env.step(action)
        return observation, np.array([info[head] for head in HEADS], np.float64), terminated, truncated, info


class VectorHeadRewards(VectorWrapper):
    """`HeadRewards` for vector environments: rewards (num_envs, 2) float64, zeros where the step was an autoreset.

    Attributes:
        reward_space: `Box(-inf, inf, (num_envs, 2), float64)`.
        single_reward_space: `Box(-inf, inf, (2,), float64)`.

    Example:
        >>> import gymnasium as gym, numpy as np
        >>> from ada3d_gym.envs.wrappers import VectorHeadRewards
        >>> envs = VectorHeadRewards(gym.make_vec("Ada3D-MotionShapes-v1", num_envs=3, split="test", videos=14))
        >>> _ = envs.reset(seed=0)
        >>> envs.step(np.ones((3, 13), np.int8))[1].shape
        (3, 2)
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]):
        super().__init__(env)
        self.single_reward_space = _head_space((2,))
        self.reward_space = _head_space((env.num_envs, 2))

    def step(self, actions: Any) -> tuple[Any, Rewards, NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        # An environment reset within the step (AutoresetMode.SAME_STEP) has the step's own info in "final_info".
        told = infos if HEADS[0] in infos else infos.get("final_info", {})
        if HEADS[0] not in told and np.any(rewards):  # no such key is right only where all have but been reset
            raise KeyError(f"rewards without infos[{HEADS[0]!r}]: VectorHeadRewards needs the environment's own infos")
        heads = np.stack([told.get(head, np.zeros(self.num_envs)) for head in HEADS], axis=1)
        return observations, heads.astype(np.float64), terminated, truncated, infos


def fitting_coding(
    coding: str | MaskCoding, space: spaces.Space[Any], bandit: Callable[[], Any], options: dict[str, Any]
) -> MaskCoding:
    """The coding, or the one of that name, for an environment.

    Args:
        coding: a name in `CODINGS` or a ready coding.
        space: the action space of one environment, which must be that of masks.
        bandit: gives what knows `num_frames` and `num_stages`; asked for a name only.
        options: arguments of the named coding beside T and K.

    Raises:
        ValueError: for an unknown name, options out of range, and a coding or space of other actions.
        TypeError: for options that the coding does not know, or beside a ready coding.
    """
    if isinstance(coding, str):
        if coding not in CODINGS:
            raise InputError(f"unknown coding {coding!r}: expected one of {', '.join(CODINGS)}")
        if not isinstance(space, spaces.MultiBinary):
            raise InputError(f"actions of {space} are no masks to code: expected MultiBinary(T + K)")
        core = bandit()
        coding = CODINGS[coding](core.num_frames, core.num_stages, **options)
    elif options:
        raise TypeError(f"{', '.join(options)} would be ignored beside a ready coding: give one or the other")
    if space != spaces.MultiBinary(coding.length):
        raise InputError(
            f"{type(coding).__name__} of {coding.num_frames} frames and {coding.num_stages} stages does not fit "
            f"actions of {space}: expected MultiBinary({coding.length})"
        )
    return coding


def _bandit(env: Any) -> Any:
    """The core of an environment, or of the first of a vector of them."""
    return env.bandit if hasattr(env, "bandit") else env.get_attr("bandit")[0]


def _head_space(shape: tuple[int, ...]) -> spaces.Box:
    return spaces.Box(-np.inf, np.inf, shape, np.float64)
