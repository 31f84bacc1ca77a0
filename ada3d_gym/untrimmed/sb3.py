"""The batched face of clip selection for Stable-Baselines3, which the rest of the package does without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn
from typing_extensions import Unpack

from ada3d_gym.envs.infos import each
from ada3d_gym.errors import check_counts, check_flags
from ada3d_gym.options import LookingOptions
from ada3d_gym.registration import look_arguments_of
from ada3d_gym.sb3.one_env import OneVecEnv
from ada3d_gym.untrimmed.core import Episodes, LookingCore, VideoOrder
from ada3d_gym.untrimmed.env import ready_core, row_of
from ada3d_gym.untrimmed.infos import look_infos, reset_infos
from ada3d_gym.untrimmed.rendering import strip


class LookingVecEnv(OneVecEnv):
    """N videos, N looks at a time, with the spaces, rewards and infos of `LookingEnv`.

    A step's infos are those of the episodes that it looked in; where one ended, they hold "terminal_observation", and
    the observation shown is the next one's.

    Args:
        num_envs: N.
        core: the core to wrap; built from `options` if None.
        render_mode: None or "rgb_array", a tile for each strip.
        label_at_reset: as for `LookingEnv`, of `reset_infos`.
        options: as for `LookingEnv`.
    """

    def __init__(
        self,
        num_envs: int = 1,
        core: LookingCore | None = None,
        *,
        render_mode: str | None = None,
        label_at_reset: bool = False,
        **options: Unpack[LookingOptions],
    ):
        check_counts(num_envs=num_envs)
        check_flags(label_at_reset=label_at_reset)
        self.core = ready_core(core, options, render_mode)
        self.label_at_reset = label_at_reset
        self.render_mode = render_mode  # the base class asks for it
        self._order = VideoOrder(self.core.looks, np.random.default_rng())
        self._episodes: Episodes | None = None
        super().__init__(num_envs, self.core.observation_space, self.core.action_space)

    def reset(self) -> Any:
        """Begins N episodes; after `seed(…)`, from the start of the order that it names."""
        self._check_open()
        if self._seeds[0] is not None:
            self._order = VideoOrder(self.core.looks, np.random.default_rng(self._seeds[0]))
        self._reset_seeds()
        self._reset_options()
        self._episodes = self.core.start(self._order.draw(self.num_envs))
        self.reset_infos = each(reset_infos(self.core, self._episodes, self.label_at_reset))
        return self.core.observe(self._episodes)

    def step_wait(self) -> VecEnvStepReturn:
        """Looks, or stops, in N episodes (N, 2), and begins new ones where they ended.

        Raises:
            ActionError: for actions that are not N pairs of numbers from 0 to 1.
            gym.error.ResetNeeded: before the first reset.
            gym.error.ClosedEnvironmentError: after `close()`.
        """
        self._check_open()
        if self._episodes is None:
            raise gym.error.ResetNeeded("there are no videos yet: call reset() before the first step()")
        after, rewards = self.core.step(self._episodes, self._actions)
        infos, shown, over = each(look_infos(self.core, after)), self.core.observe(after), after.over
        if over.any():
            for row in np.flatnonzero(over).tolist():
                infos[row]["terminal_observation"] = row_of(shown, row)
            after = after.put(over, self.core.start(self._order.draw(int(over.sum()))))
            shown = self.core.observe(after)
        self._episodes = after
        return shown, rewards.astype(np.float32), over.copy(), infos

    def close(self) -> None:
        """The environments cannot be used any more; their looks, which others may share, can."""
        self._closed = True
        self.core.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """The strip of each video."""
        if self._episodes is None:
            raise gym.error.ResetNeeded("there are no videos to render: call reset() first")
        return [strip(self.core, self._episodes, row) for row in range(self.num_envs)]


def make_sb3_vec(env_id: str, num_envs: int, **options: Unpack[LookingOptions]) -> LookingVecEnv:
    """The SB3 face of a registered id of clip selection, as `gym.make_vec` makes Gymnasium's.

    Args:
        env_id: as "Ada3D-MotionShapesUntrimmed-v0", or "module:ID" of a data set of one's own.
        num_envs: N.
        options: as for `LookingEnv`; they replace those of the id.

    Raises:
        ValueError: for an id that is none of clip selection.
    """
    return LookingVecEnv(num_envs, **{**look_arguments_of(env_id), **options})
