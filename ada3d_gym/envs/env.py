"""The single-clip face of the bandit."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ada3d_gym.bandit import ClipBandit, Outcome
from ada3d_gym.building import build_bandit
from ada3d_gym.envs.infos import clip_infos, each, step_infos
from ada3d_gym.envs.rendering import Window, contact_sheet
from ada3d_gym.errors import InputError
from ada3d_gym.masks import split_mask

Pixels = NDArray[np.uint8]


class Ada3DEnv(gym.Env[NDArray[Any], NDArray[np.int8]]):
    """One clip, one mask, one reward.

    Observation:
        By `observation`: "pixels", the clip as `Box(0, 255, (T, 3, H, W), uint8)`, RGB; "features", of each frame,
        `Box(-inf, inf, (T, C), float32)`; "index", the clip's number, `Box((4,), int32)`; see `ada3d_gym.observers`.
        The observation after the step is the same clip again.

    Action:
        `MultiBinary(T + K)`: T bits that keep frames, then K bits that keep the network's 3D stages.

    Reward:
        The sum of both heads' rewards, each 1 - cost for a correct prediction and -gamma for a wrong one (Eq. 4); the
        relatives of that are in `ada3d_gym.rewards.MaskReward`. A mask that keeps no frame cannot be classified and
        counts as wrong.

    Episode:
        One step: every step returns terminated=True, truncated=False. Clips come in shuffled epochs; `reset(seed=…)`
        starts the order afresh.

    Info:
        reset: clip, video (path), label, label_name, family ("" where not known).
        step: these and correct, prediction (-1 without frames), confidence, reward_frames, reward_stages, macs, frames,
        stages, no_frames; on an outcome table also regret, what the clip's best mask pays minus the reward. There,
        prediction and confidence are known only where the parts of the table that hold them lie beside it; where they
        do not, asking for them is a KeyError that names the missing file.

    Args:
        bandit: the core to wrap; built from `options` by `ada3d_gym.building.build_bandit` if None.
        render_mode: None; "rgb_array", a contact sheet of the clip, the mask and what came of it; or "human", the same
            in a window.
        options: arguments of `build_bandit`: split, num_frames, views, videos, backbone, checkpoint, gamma, cost,
            reward, observation, features, order, device, classifier, outcomes, and for video files data_root, size,
            stride, sampling, flip, strict, cache_bytes, seed.
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 1}  # noqa: RUF012 (Gymnasium's own declaration)

    def __init__(self, bandit: ClipBandit | None = None, *, render_mode: str | None = None, **options: Any):
        self.bandit = ready_bandit(bandit, options, render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self.observation_space = self.bandit.observer.space
        self.action_space = spaces.MultiBinary(self.bandit.num_frames + self.bandit.num_stages)
        self._clip: NDArray[np.int64] | None = None  # (1,)
        self._masks: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None
        self._outcome: Outcome | None = None
        self._window: Window | None = None
        self._closed = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Draws the next clip. Raises `gym.error.ClosedEnvironmentError` after `close()`."""
        self._check_open()
        super().reset(seed=seed)
        if seed is not None:
            self.bandit.seed(seed)
        self._clip = self.bandit.draw(1)
        self._masks = self._outcome = None
        self._show()
        return self.bandit.observer(self._clip)[0], each(clip_infos(self.bandit.source, self._clip))[0]

    def step(self, action: NDArray[np.int8]) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Raises:
        ActionError: for an action that is not T + K zeros and ones.
        gym.error.ResetNeeded: before a reset, and after the episode's one step.
        gym.error.ClosedEnvironmentError: after `close()`.
        """
        self._check_open()
        if self._clip is None or self._outcome is not None:
            raise gym.error.ResetNeeded("an episode is one step: call reset() before the next step()")
        u, v = split_mask(action, self.bandit.num_frames, self.bandit.num_stages, batch=())
        self._masks = u, v
        self._outcome = self.bandit.pull(self._clip, u[None], v[None])
        infos = step_infos(self.bandit.source, self._clip, self._outcome)
        self._show()
        return self.bandit.observer(self._clip)[0], float(self._outcome.reward[0]), True, False, each(infos)[0]

    def render(self) -> Pixels | None:
        if self.render_mode is None:
            return None
        if self._clip is None:
            raise gym.error.ResetNeeded("there is no clip to render: call reset() first")
        sheet = contact_sheet(self.bandit, int(self._clip[0]), self._masks, self._outcome)
        if self.render_mode == "rgb_array":
            return sheet
        self._window = self._window or Window("Ada3D")
        self._window.show(sheet)
        return None

    def close(self) -> None:
        """Stops decoding and closes the window; the environment cannot be used any more."""
        self._closed = True
        if self._window is not None:
            self._window.close()
        self.bandit.source.close()

    def _show(self) -> None:
        if self.render_mode == "human":
            self.render()

    def _check_open(self) -> None:
        if self._closed:
            raise gym.error.ClosedEnvironmentError("the environment is closed: make a new one")


def ready_bandit(
    bandit: ClipBandit | None, options: dict[str, Any], render_mode: str | None, render_modes: list[str]
) -> ClipBandit:
    """The bandit that a face was given, or one built from its options; a ValueError or TypeError for what it was not.

    Args:
        bandit, options: one or the other.
        render_mode: None or one of `render_modes`.
    """
    if render_mode is not None and render_mode not in render_modes:
        modes = ", ".join(map(repr, render_modes))
        raise InputError(f"unknown render_mode {render_mode!r}: expected None or one of {modes}")
    if bandit is not None and options:
        raise TypeError(f"{', '.join(options)} would be ignored beside a ready bandit: give one or the other")
    return bandit or build_bandit(**options)
