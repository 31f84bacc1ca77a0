"""The single-clip face of the bandit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from typing_extensions import Unpack

from ada3d_gym.bandit import ClipBandit, Outcome
from ada3d_gym.building import build_bandit
from ada3d_gym.envs.infos import Infos, each, reset_infos, step_infos
from ada3d_gym.envs.rendering import Window, contact_sheet
from ada3d_gym.errors import InputError, check_flags
from ada3d_gym.masks import split_mask
from ada3d_gym.options import BanditOptions
from ada3d_gym.orders import ClipOrder

Pixels = NDArray[np.uint8]


class Ada3DEnv(gym.Env[NDArray[Any], NDArray[np.int8]]):
    """One clip, one mask, one reward.

    Observation:
        The argument `observation` says what an agent sees. "pixels" is the clip as RGB, `Box(0, 255, (T, 3, H, W),
        uint8)`. "features" are the features of each frame, `Box(-inf, inf, (T, C), float32)`. "index" is the clip's
        number, `Box((4,), int32)`. See `ada3d_gym.observers`. The observation after the step is the same clip again.

    Action:
        `MultiBinary(T + K)`: T bits that say which frames are kept, then K bits that say which stages of the network
        run in 3D.

    Reward:
        The sum of two rewards, one for the frame bits and one for the stage bits. Each is 1 - cost if the prediction is
        correct and -gamma if it is wrong (Eq. 4); gamma is the penalty of a wrong answer, no discount. The cost of the
        frame bits is the share of frames kept; that of the stage bits is the squared share of stages that are on. There
        are variants: `cost="macs"` charges operations instead, and `reward="margin"` and `"confidence"` grade how right
        the prediction is; see `ada3d_gym.rewards.MaskReward`. A mask that keeps no frame cannot be classified and
        counts as wrong.

    Episode:
        An episode is one step: every step returns terminated=True, truncated=False. Clips come in shuffled epochs;
        `reset(seed=…)` starts a new order.

    Info:
        reset: clip (its number). With `label_at_reset=True` also video (path), label, label_name and family.
        step: clip, video (path), label, label_name, family ("" if it is not known), correct, prediction (-1 if no frame
        was kept), confidence, reward_frames, reward_stages, macs (of the classifier), frames and stages (how many were
        kept), no_frames (whether none was kept). With an outcome table also regret: what the clip's best mask pays
        minus the reward. A table has prediction and confidence only if the files of these parts lie beside it; if they
        do not, asking for one is a KeyError that names the missing file.

    Args:
        bandit: the core to wrap; built from `options` by `ada3d_gym.building.build_bandit` if None.
        render_mode: None; "rgb_array", a contact sheet of the clip, the mask and what came of it; or "human", the same
            in a window.
        label_at_reset: whether infos at reset also say what the step's infos say of the clip: its label, label_name,
            family and path. An agent that reads them knows the answer; they are for looking at data.
        options: arguments of `build_bandit`: split, num_frames, views, videos, backbone, checkpoint, gamma, cost,
            reward, observation, features, order, device, classifier, outcomes, and for video files data_root, size,
            stride, sampling, flip, strict, cache_bytes, seed.

    Example:
        >>> import ada3d_gym, gymnasium as gym, numpy as np
        >>> env = gym.make("Ada3D-MotionShapes-v1", split="test", videos=14, gamma=6.0)
        >>> clip, info = env.reset(seed=0)
        >>> clip.shape, env.action_space
        ((8, 3, 32, 32), MultiBinary(13))
        >>> clip, reward, terminated, truncated, info = env.step(np.ones(13, np.int8))  # everything is kept
        >>> reward, terminated, info["correct"], info["frames"], info["stages"]
        (0.0, True, True, 8, 5)
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 1}  # noqa: RUF012 (Gymnasium's own declaration)

    def __init__(
        self,
        bandit: ClipBandit | None = None,
        *,
        render_mode: str | None = None,
        label_at_reset: bool = False,
        **options: Unpack[BanditOptions],
    ):
        check_flags(label_at_reset=label_at_reset)
        self.bandit = ready_bandit(bandit, options, render_mode, self.metadata["render_modes"])
        self.render_mode, self.label_at_reset = render_mode, label_at_reset
        self.observation_space = self.bandit.observer.space
        self.action_space = spaces.MultiBinary(self.bandit.num_frames + self.bandit.num_stages)
        self._order: ClipOrder | None = None
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
        if seed is not None or self._order is None:
            self._order = ClipOrder(self.bandit, self.np_random)
        self._clip = self._order.draw(1)
        self._masks = self._outcome = None
        self._show()
        return self.bandit.observer(self._clip)[0], each(self._told())[0]

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

    def _told(self) -> Infos:
        assert self._clip is not None
        return reset_infos(self.bandit.source, self._clip, self.label_at_reset)

    def _show(self) -> None:
        if self.render_mode == "human":
            self.render()

    def _check_open(self) -> None:
        if self._closed:
            raise gym.error.ClosedEnvironmentError("the environment is closed: make a new one")


def ready_bandit(
    bandit: ClipBandit | None, options: Mapping[str, Any], render_mode: str | None, render_modes: list[str]
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
