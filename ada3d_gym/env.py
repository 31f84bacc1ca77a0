"""The single-clip face of the bandit."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ada3d_gym.bandit import ClipBandit, Outcome
from ada3d_gym.building import build_bandit
from ada3d_gym.masks import ActionError, split_mask
from ada3d_gym.rendering import contact_sheet

Pixels = NDArray[np.uint8]


class Ada3DEnv(gym.Env[Pixels, NDArray[np.int8]]):
    """One clip, one mask, one reward.

    Observation:
        The clip as `Box(0, 255, (T, 3, H, W), uint8)`, RGB. The observation after the step is the same clip again.

    Action:
        `MultiBinary(T + K)`: T bits that keep frames, then K bits that keep the network's 3D stages.

    Reward:
        The sum of both heads' rewards, each 1 - cost for a correct prediction and -gamma for a wrong one (Eq. 4). A
        mask that keeps no frame cannot be classified and counts as wrong.

    Episode:
        One step: every step returns terminated=True, truncated=False. Clips come in shuffled epochs; `reset(seed=…)`
        starts the order afresh.

    Info:
        reset: clip, video (path), label, label_name, family ("" where not known).
        step: these and correct, prediction (-1 without frames), confidence, reward_frames, reward_stages, macs, frames,
        stages, no_frames.

    Args:
        bandit: the core to wrap; built from `options` by `ada3d_gym.building.build_bandit` if None.
        render_mode: None or "rgb_array", a contact sheet of the clip, the mask and what came of it.
        options: arguments of `build_bandit`: split, num_frames, views, videos, backbone, checkpoint, gamma, device, and
            for video files data_root, size, stride, sampling, flip, strict, cache_bytes, seed.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1}  # noqa: RUF012 (Gymnasium's own declaration)

    def __init__(self, bandit: ClipBandit | None = None, *, render_mode: str | None = None, **options: Any):
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"unknown render_mode {render_mode!r}: expected None or 'rgb_array'")
        if bandit is not None and options:
            raise TypeError(f"{', '.join(options)} would be ignored beside a ready bandit: give one or the other")
        self.bandit = bandit or build_bandit(**options)
        self.render_mode = render_mode
        source = self.bandit.source
        side = source.observation_size
        self.observation_space = spaces.Box(0, 255, (source.num_frames, 3, side, side), np.uint8)
        self.action_space = spaces.MultiBinary(self.bandit.num_frames + self.bandit.num_stages)
        self._clip: int | None = None
        self._masks: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None
        self._outcome: Outcome | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Pixels, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.bandit.seed(seed)
        self._clip = int(self.bandit.draw(1)[0])
        self._masks = self._outcome = None
        return self._observe(), self._describe()

    def step(self, action: NDArray[np.int8]) -> tuple[Pixels, float, bool, bool, dict[str, Any]]:
        """Raises:
        ActionError: for an action that is not T + K zeros and ones.
        gym.error.ResetNeeded: before a reset, and after the episode's one step.
        """
        if self._clip is None or self._outcome is not None:
            raise gym.error.ResetNeeded("an episode is one step: call reset() before the next step()")
        u, v = split_mask(action, self.bandit.num_frames, self.bandit.num_stages)
        if u.ndim != 1:
            expected = f"expected {u.shape[-1]} frame bits and {v.shape[-1]} stage bits, each 0 or 1"
            raise ActionError(f"action of shape {np.shape(action)}: {expected}")
        outcome = self.bandit.pull(np.array([self._clip]), u.reshape(1, -1), v.reshape(1, -1))
        self._masks, self._outcome = (u, v), outcome
        info = self._describe() | {
            "correct": bool(outcome.correct[0]),
            "prediction": int(outcome.prediction[0]),
            "confidence": float(outcome.confidence[0]),
            "reward_frames": float(outcome.reward_frames[0]),
            "reward_stages": float(outcome.reward_stages[0]),
            "macs": int(outcome.macs[0]),
            "frames": int(outcome.frames[0]),
            "stages": int(outcome.stages[0]),
            "no_frames": bool(outcome.no_frames[0]),
        }
        return self._observe(), float(outcome.reward[0]), True, False, info

    def render(self) -> Pixels | None:
        if self.render_mode is None:
            return None
        if self._clip is None:
            raise gym.error.ResetNeeded("there is no clip to render: call reset() first")
        return contact_sheet(self.bandit, self._clip, self._masks, self._outcome)

    def _observe(self) -> Pixels:
        return np.array(self.bandit.source.observations(np.array([self._clip]))[0])

    def _describe(self) -> dict[str, Any]:
        assert self._clip is not None
        source = self.bandit.source
        record = source.record(self._clip)
        label = record.labels[0]
        return {
            "clip": self._clip,
            "video": str(record.path),
            "label": label,
            "label_name": source.class_names[label],
            "family": record.family,
        }
