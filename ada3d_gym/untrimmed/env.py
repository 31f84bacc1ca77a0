"""The single-video face of clip selection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Unpack

from ada3d_gym.envs.infos import each
from ada3d_gym.errors import InputError, check_flags
from ada3d_gym.options import LookingOptions
from ada3d_gym.untrimmed.building import build_core
from ada3d_gym.untrimmed.core import Episodes, LookingCore, Shown, VideoOrder
from ada3d_gym.untrimmed.infos import look_infos, reset_infos
from ada3d_gym.untrimmed.rendering import strip


class LookingEnv(gym.Env[Any, NDArray[np.float32]]):
    """One long video, a few looks at it.

    Observation:
        `Dict` of float32 arrays. "memory" (M, E) are features of M frames that are spread evenly over the whole video.
        "clip" (D,) are the features that the masked 3D network has of the last clip looked at. "scores" (C,) is the
        mean of the class probabilities of all looks so far. "place" (1,) is where the last look was, from 0 (the
        video's first clip) to 1 (its last). "looks" (1,) is the share of the K looks that is used. Before the first
        look, all but the memory are zeros. With `flat=True`, the observation is a `Box` of the same values in this
        order. With `memory=False`, it has no memory.

    Action:
        `Box(0, 1, (2,), float32)`. The first number is a place; the nearest of the video's P places is looked at. The
        second number says whether to stop: more than 0.5 stops instead of looking. An episode has at least one look, so
        the second number does not count in the first step. With `actions="symmetric"`, the space is `Box(-1, 1, …)`,
        where -1 and 0 mean 0 and 0.5.

    Reward:
        The argument `reward` chooses. "margin" is AdaFrame's reward: a look pays by how much it raises the largest
        margin so far, which is -1 before the first look. A margin is the label's mean probability minus the largest of
        any other class. "outcome" pays at the end: 1 if the likeliest class is right, and -gamma if it is wrong; gamma
        is the penalty of a wrong answer, no discount. With both, each look costs `price` times its multiply-accumulates
        (those of the selection network and of the masked 3D network), divided by those of a clip with everything kept.
        The first look also pays for the memory. A place that is looked at again is charged again.

    Episode:
        An episode ends (terminated) with a stop or with the K-th look. It is never truncated. Videos come in shuffled
        epochs; `reset(seed=…)` starts a new order.

    Info:
        reset: video (its number). With `label_at_reset=True` also path, label and label_name.
        step: video, path, label, label_name, correct, prediction (the class with the highest mean probability), place
        (of the last look, 0 to P - 1), looks (how many), macs (so far, with the memory's) and margin.

    Args:
        core: the core to wrap; built from `options` by `ada3d_gym.untrimmed.building.build_core` if None.
        render_mode: None; or "rgb_array", a strip of the memory's frames with the looks marked.
        label_at_reset: whether infos at reset also have the video's path, label and label_name. An agent that reads
            them knows the answer. Infos of a step have them in any case.
        options: arguments of `build_core`.

    Example:
        >>> import ada3d_gym, gymnasium as gym, numpy as np
        >>> env = gym.make("Ada3D-MotionShapesUntrimmed-v0", split="test", videos=2, steps=3)
        >>> observation, info = env.reset(seed=0)
        >>> {name: values.shape for name, values in observation.items()}
        {'memory': (16, 32), 'clip': (256,), 'scores': (14,), 'place': (1,), 'looks': (1,)}
        >>> observation, reward, over, _, info = env.step(np.float32([0.5, 0.0]))  # looks in the middle, does not stop
        >>> over, info["looks"]
        (False, 1)
        >>> observation, reward, over, _, info = env.step(np.float32([0.0, 1.0]))  # stops
        >>> over, info["looks"]
        (True, 1)
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1}  # noqa: RUF012 (Gymnasium's own declaration)

    def __init__(
        self,
        core: LookingCore | None = None,
        *,
        render_mode: str | None = None,
        label_at_reset: bool = False,
        **options: Unpack[LookingOptions],
    ):
        check_flags(label_at_reset=label_at_reset)
        self.core = ready_core(core, options, render_mode)
        self.render_mode, self.label_at_reset = render_mode, label_at_reset
        self.observation_space, self.action_space = self.core.observation_space, self.core.action_space
        self._order: VideoOrder | None = None
        self._episode: Episodes | None = None  # of one
        self._closed = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Draws the next video. Raises `gym.error.ClosedEnvironmentError` after `close()`."""
        self._check_open()
        super().reset(seed=seed)
        if seed is not None or self._order is None:
            self._order = VideoOrder(self.core.looks, self.np_random)
        self._episode = self.core.start(self._order.draw(1))
        infos = reset_infos(self.core, self._episode, self.label_at_reset)
        return row_of(self.core.observe(self._episode), 0), each(infos)[0]

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Raises:
        ActionError: for an action that is not two numbers from 0 to 1.
        gym.error.ResetNeeded: before a reset, and after the end of the episode.
        gym.error.ClosedEnvironmentError: after `close()`.
        """
        self._check_open()
        if self._episode is None or self._episode.over[0]:
            raise gym.error.ResetNeeded("there is no episode, or it is over: call reset() before the next step()")
        self._episode, rewards = self.core.step(self._episode, [action])
        infos = each(look_infos(self.core, self._episode))[0]
        observation = row_of(self.core.observe(self._episode), 0)
        return observation, float(rewards[0]), bool(self._episode.over[0]), False, infos

    def render(self) -> NDArray[np.uint8] | None:
        if self.render_mode is None:
            return None
        if self._episode is None:
            raise gym.error.ResetNeeded("there is no video to render: call reset() first")
        return strip(self.core, self._episode, 0)

    def close(self) -> None:
        """The environment cannot be used any more; its looks, which others may share, can."""
        self._closed = True
        self.core.close()

    def _check_open(self) -> None:
        if self._closed:
            raise gym.error.ClosedEnvironmentError("the environment is closed: make a new one")


def ready_core(core: LookingCore | None, options: Mapping[str, Any], render_mode: str | None) -> LookingCore:
    """The core that a face was given, or one built from its options; a ValueError or TypeError for what it was not."""
    if render_mode not in (None, "rgb_array"):
        raise InputError(f"unknown render_mode {render_mode!r}: expected None or 'rgb_array'")
    if core is not None and options:
        raise TypeError(f"{', '.join(options)} would be ignored beside a ready core: give one or the other")
    return core or build_core(**options)


def row_of(shown: Shown, row: int) -> Any:
    """The observation of one episode."""
    return {name: values[row] for name, values in shown.items()} if isinstance(shown, dict) else shown[row]
