"""The batched face of the bandit for Stable-Baselines3: N environments are one batch, one forward pass a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn
from typing_extensions import Unpack

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.envs.env import ready_bandit
from ada3d_gym.envs.infos import each, reset_infos, step_infos
from ada3d_gym.envs.rendering import contact_sheet
from ada3d_gym.errors import check_counts, check_flags
from ada3d_gym.masks import split_mask
from ada3d_gym.options import BanditOptions
from ada3d_gym.orders import ClipOrder
from ada3d_gym.profiling import timed
from ada3d_gym.registration import arguments_of
from ada3d_gym.sb3.one_env import OneVecEnv


class Ada3DVecEnv(OneVecEnv):
    """N clips, N masks, N rewards, with the spaces, rewards and infos of `Ada3DEnv`.

    Every step ends all N episodes. A step's infos belong to the clips that it judged, and hold no
    "terminal_observation": an episode never truncates, so no algorithm asks for one, and copying it would cost more
    than the step. `VecMonitor` adds episode statistics.

    Args:
        num_envs: N.
        bandit: the core to wrap; built from `options` if None.
        render_mode: None or "rgb_array", a tile for each contact sheet.
        label_at_reset: as for `Ada3DEnv`, of `reset_infos`.
        options: as for `Ada3DEnv`.

    Example:
        >>> import numpy as np
        >>> from ada3d_gym.sb3 import make_vec
        >>> envs = make_vec("Ada3D-MotionShapes-v1", 2, split="test", videos=14)
        >>> envs.reset().shape
        (2, 8, 3, 32, 32)
        >>> clips, rewards, dones, infos = envs.step(np.ones((2, 13), np.int8))
        >>> rewards.shape, dones.tolist(), [info["frames"] for info in infos]
        ((2,), [True, True], [8, 8])
    """

    def __init__(
        self,
        num_envs: int = 1,
        bandit: ClipBandit | None = None,
        *,
        render_mode: str | None = None,
        label_at_reset: bool = False,
        **options: Unpack[BanditOptions],
    ):
        check_counts(num_envs=num_envs)
        check_flags(label_at_reset=label_at_reset)
        self.bandit = ready_bandit(bandit, options, render_mode, ["rgb_array"])
        self.label_at_reset = label_at_reset
        self.render_mode = render_mode  # the base class asks for it
        self.num_envs = num_envs
        self._order = ClipOrder(self.bandit, np.random.default_rng())
        self._ids: NDArray[np.int64] | None = None
        self._actions: Any = None
        super().__init__(
            num_envs, self.bandit.observer.space, spaces.MultiBinary(self.bandit.num_frames + self.bandit.num_stages)
        )

    def reset(self) -> NDArray[Any]:
        """Draws N clips; after `seed(…)`, from the start of the order that it names."""
        self._check_open()
        if self._seeds[0] is not None:
            self._order = ClipOrder(self.bandit, np.random.default_rng(self._seeds[0]))
        self._reset_seeds()
        self._reset_options()
        self._ids = self._order.draw(self.num_envs)
        self.reset_infos = each(reset_infos(self.bandit.source, self._ids, self.label_at_reset))
        return self.bandit.observer(self._ids)

    @timed("environment")
    def step_wait(self) -> VecEnvStepReturn:
        """Pulls N masks (N, T + K) and draws N new clips.

        Raises:
            ActionError: for actions that are not N masks of zeros and ones.
            gym.error.ResetNeeded: before the first reset.
            gym.error.ClosedEnvironmentError: after `close()`.
        """
        self._check_open()
        if self._ids is None:
            raise gym.error.ResetNeeded("there are no clips yet: call reset() before the first step()")
        u, v = split_mask(self._actions, self.bandit.num_frames, self.bandit.num_stages, batch=(self.num_envs,))
        outcome = self.bandit.pull(self._ids, u, v)
        infos = each(step_infos(self.bandit.source, self._ids, outcome))
        self._ids = self._order.draw(self.num_envs)
        done = np.ones(self.num_envs, np.bool_)
        return self.bandit.observer(self._ids), outcome.reward.astype(np.float32), done, infos

    def close(self) -> None:
        self._closed = True
        self.bandit.source.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """The contact sheet of each clip, before its mask."""
        if self._ids is None:
            raise gym.error.ResetNeeded("there are no clips to render: call reset() first")
        return [contact_sheet(self.bandit, clip) for clip in self._ids.tolist()]


def make_vec(
    env_id: str,
    num_envs: int,
    *,
    render_mode: str | None = None,
    label_at_reset: bool = False,
    **options: Unpack[BanditOptions],
) -> Ada3DVecEnv:
    """The SB3 face of a registered id, as `gym.make_vec` makes Gymnasium's.

    Args:
        env_id: as "Ada3D-MotionShapes-v1", or "module:ID" of a data set of one's own.
        num_envs: N.
        render_mode, label_at_reset: as for `Ada3DVecEnv`.
        options: as for `Ada3DEnv`; they replace those of the id.

    Raises:
        ValueError: for an id that is not one of this package's.
    """
    settings = {**arguments_of(env_id), **options}
    return Ada3DVecEnv(num_envs, render_mode=render_mode, label_at_reset=label_at_reset, **settings)
