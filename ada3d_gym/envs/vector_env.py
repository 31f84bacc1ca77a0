"""The batched face of the bandit for Gymnasium: N environments are one batch of N clips, one forward pass a step."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.envs.env import ready_bandit
from ada3d_gym.envs.infos import Infos, clip_infos, completed, step_infos
from ada3d_gym.envs.rendering import contact_sheet
from ada3d_gym.errors import InputError
from ada3d_gym.masks import split_mask

Flags = NDArray[np.bool_]


class Ada3DVectorEnv(VectorEnv[NDArray[Any], NDArray[np.int8], NDArray[Any]]):
    """N clips, N masks, N rewards; `gym.make_vec(id, num_envs=N)` makes it.

    Spaces, rewards and infos are those of `Ada3DEnv`, batched. Every step ends all N episodes and shows N new clips
    (`AutoresetMode.SAME_STEP`): what the step led to is in `infos["final_info"]` and `infos["final_obs"]`, and the
    infos of the new clips lie beside them, as Gymnasium's own vector environments have it. All N share one order of
    clips, so N environments go through an epoch N times as fast.

    Args:
        num_envs: N.
        bandit: the core to wrap; built from `options` if None.
        render_mode: None or "rgb_array", N contact sheets.
        options: as for `Ada3DEnv`.
    """

    metadata = {  # noqa: RUF012 (Gymnasium's own declaration)
        "render_modes": ["rgb_array"],
        "render_fps": 1,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        bandit: ClipBandit | None = None,
        *,
        render_mode: str | None = None,
        **options: Any,
    ):
        if num_envs < 1:
            raise InputError(f"num_envs={num_envs}: expected at least 1")
        self.bandit = ready_bandit(bandit, options, render_mode, self.metadata["render_modes"])
        self.num_envs, self.render_mode = num_envs, render_mode
        self.single_observation_space = self.bandit.observer.space
        self.single_action_space = spaces.MultiBinary(self.bandit.num_frames + self.bandit.num_stages)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._ids: NDArray[np.int64] | None = None
        self._observations: NDArray[Any] | None = None

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Draws N clips.

        Args:
            seed: starts the order of clips afresh; a list counts as one seed made of its numbers.
            options: "reset_mask", (N,) bool: draw new clips for these environments alone.
        """
        self._check_open()
        if seed is not None:
            one = seed if isinstance(seed, int) else np.random.SeedSequence([each for each in seed if each is not None])
            self.bandit.seed(one)
        ids, fresh = self.bandit.draw(self.num_envs), np.ones(self.num_envs, np.bool_)
        if options and "reset_mask" in options:
            fresh = self._reset_mask(options.pop("reset_mask"))
            if self._ids is not None:
                ids = np.where(fresh, ids, self._ids)
        self._ids = ids
        self._observations = self.bandit.observer(ids)
        return np.array(self._observations), _flagged(clip_infos(self.bandit.source, ids), fresh)

    def step(self, actions: NDArray[np.int8]) -> tuple[NDArray[Any], NDArray[np.float64], Flags, Flags, dict[str, Any]]:
        """Pulls N masks (N, T + K) and draws N new clips.

        Raises:
            ActionError: for actions that are not N masks of zeros and ones.
            gym.error.ResetNeeded: before the first reset.
            gym.error.ClosedEnvironmentError: after `close()`.
        """
        self._check_open()
        if self._ids is None or self._observations is None:
            raise gym.error.ResetNeeded("there are no clips yet: call reset() before the first step()")
        u, v = split_mask(actions, self.bandit.num_frames, self.bandit.num_stages, batch=(self.num_envs,))
        source = self.bandit.source
        outcome = self.bandit.pull(self._ids, u, v)
        done = np.ones(self.num_envs, np.bool_)
        final_obs = np.fromiter(self._observations, object, self.num_envs)
        final = _flagged(step_infos(source, self._ids, outcome), done)
        self._ids = self.bandit.draw(self.num_envs)
        self._observations = self.bandit.observer(self._ids)
        infos = _flagged(clip_infos(source, self._ids), done)
        infos |= {"final_obs": final_obs, "_final_obs": done, "final_info": final, "_final_info": done}
        return np.array(self._observations), outcome.reward, done, np.zeros(self.num_envs, np.bool_), infos

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """The contact sheet of each clip, before its mask."""
        if self.render_mode is None:
            return None
        if self._ids is None:
            raise gym.error.ResetNeeded("there are no clips to render: call reset() first")
        return tuple(contact_sheet(self.bandit, clip) for clip in self._ids.tolist())

    def close_extras(self, **kwargs: Any) -> None:
        self.bandit.source.close()

    def _check_open(self) -> None:
        if self.closed:
            raise gym.error.ClosedEnvironmentError("the environment is closed: make a new one")

    def _reset_mask(self, mask: Any) -> Flags:
        if not isinstance(mask, np.ndarray) or mask.shape != (self.num_envs,) or mask.dtype != np.bool_:
            got = f"{mask.dtype} of shape {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
            raise InputError(f"options['reset_mask'] is {got}: expected a bool array of shape ({self.num_envs},)")
        if not mask.any():
            raise InputError("options['reset_mask'] names no environment: expected at least one True")
        return mask.copy()


def _flagged(infos: Infos, present: Flags) -> dict[str, Any]:
    """Gymnasium's form of batched infos: beside each array, under `_key`, which environments it holds for."""
    return completed({**infos, **{f"_{key}": present.copy() for key in infos}}, infos)
