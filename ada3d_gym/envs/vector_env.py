"""The batched face of the bandit for Gymnasium: N environments are one batch of N clips, one forward pass a step."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from typing_extensions import Unpack

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.envs.env import ready_bandit
from ada3d_gym.envs.infos import Infos, completed, reset_infos, step_infos
from ada3d_gym.envs.rendering import contact_sheet
from ada3d_gym.errors import InputError, check_counts, check_flags
from ada3d_gym.masks import split_mask
from ada3d_gym.options import BanditOptions
from ada3d_gym.orders import ClipOrder

Flags = NDArray[np.bool_]


class Ada3DVectorEnv(VectorEnv[NDArray[Any], NDArray[np.int8], NDArray[Any]]):
    """N clips, N masks, N rewards; `gym.make_vec(id, num_envs=N)` makes it.

    Spaces, rewards and infos are those of `Ada3DEnv`, batched. All N share one order of clips, so N environments go
    through an epoch N times as fast. Every mask ends its episode; `autoreset_mode` says how the next one begins, in the
    form that Gymnasium's own vector environments have:

    - "same_step": every step shows N new clips. What the step led to is in `infos["final_info"]` and
      `infos["final_obs"]`, and the infos of the new clips lie beside them.
    - "next_step": a step shows the clips that it judged once more. The next step ignores its actions, and shows new
      clips with reward 0 and nothing terminated. Only every second step pulls masks; for libraries that expect this.
    - "disabled": as "next_step", but new clips are drawn by `reset(options={"reset_mask": …})` alone.

    Args:
        num_envs: N.
        bandit: the core to wrap; built from `options` if None.
        render_mode: None or "rgb_array", N contact sheets.
        autoreset_mode: one of the names above or a `gymnasium.vector.AutoresetMode`; also in `metadata`, as the latter.
        label_at_reset: as for `Ada3DEnv`; also of the infos that a step has of new clips.
        options: as for `Ada3DEnv`.

    Example:
        >>> import ada3d_gym, gymnasium as gym, numpy as np
        >>> envs = gym.make_vec("Ada3D-MotionShapes-v1", num_envs=3, split="test", videos=14)
        >>> clips, infos = envs.reset(seed=0)
        >>> clips.shape
        (3, 8, 3, 32, 32)
        >>> every_second = np.int8([1, 0, 1, 0, 1, 0, 1, 0] + [1, 1, 0, 0, 0])  # and the first two stages
        >>> clips, rewards, terminated, truncated, infos = envs.step(np.tile(every_second, (3, 1)))
        >>> rewards.shape, infos["final_info"]["frames"].tolist(), infos["final_info"]["stages"].tolist()
        ((3,), [4, 4, 4], [2, 2, 2])
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
        autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
        label_at_reset: bool = False,
        **options: Unpack[BanditOptions],
    ):
        check_counts(num_envs=num_envs)
        check_flags(label_at_reset=label_at_reset)
        self.autoreset_mode = autoreset_mode_of(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.bandit = ready_bandit(bandit, options, render_mode, self.metadata["render_modes"])
        self.num_envs, self.render_mode, self.label_at_reset = num_envs, render_mode, label_at_reset
        self.single_observation_space = self.bandit.observer.space
        self.single_action_space = spaces.MultiBinary(self.bandit.num_frames + self.bandit.num_stages)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._order: ClipOrder | None = None
        self._ids: NDArray[np.int64] | None = None
        self._observations: NDArray[Any] | None = None
        self._over = np.zeros(num_envs, np.bool_)  # episodes that have ended and whose clip is still shown

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
            self.np_random = np.random.default_rng(seed_of(seed))
        if seed is not None or self._order is None:
            self._order = ClipOrder(self.bandit, self.np_random)
        fresh = np.ones(self.num_envs, np.bool_)
        if options and "reset_mask" in options:
            mask = checked_reset_mask(options.pop("reset_mask"), self.num_envs)
            fresh = fresh if self._ids is None else mask
        ids, observations = self._drawn(fresh)
        return np.array(observations), flagged(self._told(ids), fresh)

    def step(self, actions: NDArray[np.int8]) -> tuple[NDArray[Any], NDArray[np.float64], Flags, Flags, dict[str, Any]]:
        """Pulls N masks (N, T + K) and, by the autoreset mode, draws new clips.

        Raises:
            ActionError: for actions that are not N masks of zeros and ones.
            gym.error.ResetNeeded: before the first reset; where resets are disabled, for episodes that are over.
            gym.error.ClosedEnvironmentError: after `close()`.
        """
        self._check_open()
        if self._ids is None or self._observations is None:
            raise gym.error.ResetNeeded("there are no clips yet: call reset() before the first step()")
        over, shown = self._over, self._observations
        if self.autoreset_mode is AutoresetMode.DISABLED and over.any():
            raise over_error(over)
        acting = ~over
        rewards, infos = self._pulled(self._ids, actions, acting)
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            final = {"final_obs": np.fromiter(shown, object, self.num_envs), "final_info": infos}
            ids, shown = self._drawn(acting)
            infos = flagged(self._told(ids), acting)
            infos |= final | {f"_{key}": acting.copy() for key in final}
        else:
            if over.any():
                ids, shown = self._drawn(over)
                infos |= flagged(self._told(ids), np.ones_like(over))
            self._over = acting
        return np.array(shown), rewards, acting.copy(), np.zeros_like(acting), infos

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """The contact sheet of each clip, before its mask."""
        if self.render_mode is None:
            return None
        if self._ids is None:
            raise gym.error.ResetNeeded("there are no clips to render: call reset() first")
        return tuple(contact_sheet(self.bandit, clip) for clip in self._ids.tolist())

    def close_extras(self, **kwargs: Any) -> None:
        self.bandit.source.close()

    def _drawn(self, fresh: Flags) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Draws clips for some environments; returns the ids and observations of all."""
        assert self._order is not None
        ids = self._order.draw(int(fresh.sum()))
        shown = self.bandit.observer(ids)
        if self._ids is not None and self._observations is not None and not fresh.all():
            merged, observations = self._ids.copy(), self._observations.copy()  # others may hold the old ones
            merged[fresh], observations[fresh] = ids, shown
            ids, shown = merged, observations
        self._ids, self._observations, self._over = ids, shown, self._over & ~fresh
        return ids, shown

    def _told(self, ids: NDArray[np.int64]) -> Infos:
        return reset_infos(self.bandit.source, ids, self.label_at_reset)

    def _pulled(
        self, ids: NDArray[np.int64], actions: NDArray[np.int8], acting: Flags
    ) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Rewards and infos of the environments that act; zeros for those that do not."""
        rewards = np.zeros(self.num_envs)
        if not acting.any():
            return rewards, {}
        u, v = split_mask(actions, self.bandit.num_frames, self.bandit.num_stages, batch=(self.num_envs,))
        outcome = self.bandit.pull(ids[acting], u[acting], v[acting])
        rewards[acting] = outcome.reward
        infos = step_infos(self.bandit.source, ids[acting], outcome)
        for key, values in infos.items():
            infos[key] = np.zeros(self.num_envs, values.dtype)
            infos[key][acting] = values
        return rewards, flagged(infos, acting)

    def _check_open(self) -> None:
        if self.closed:
            raise gym.error.ClosedEnvironmentError("the environment is closed: make a new one")


def seed_of(seed: int | list[int | None]) -> int | np.random.SeedSequence:
    """The one seed of an order that N environments share; a list counts as one made of its numbers."""
    return seed if isinstance(seed, int) else np.random.SeedSequence([each for each in seed if each is not None])


def checked_reset_mask(mask: Any, num_envs: int) -> Flags:
    """A copy of `options["reset_mask"]`; a ValueError for what is none."""
    if not isinstance(mask, np.ndarray) or mask.shape != (num_envs,) or mask.dtype != np.bool_:
        got = f"{mask.dtype} of shape {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise InputError(f"options['reset_mask'] is {got}: expected a bool array of shape ({num_envs},)")
    if not mask.any():
        raise InputError("options['reset_mask'] names no environment: expected at least one True")
    return mask.copy()


def over_error(over: Flags) -> gym.error.ResetNeeded:
    """Of a step where resets are disabled and some episodes are over."""
    return gym.error.ResetNeeded(
        f"the episodes of environments {np.flatnonzero(over).tolist()} are over: "
        "reset them before the next step(), with options={'reset_mask': …}"
    )


def flagged(infos: Infos, present: Flags) -> dict[str, Any]:
    """Gymnasium's form of batched infos: beside each array, under `_key`, which environments it holds for."""
    return completed({**infos, **{f"_{key}": present.copy() for key in infos}}, infos)


def autoreset_mode_of(mode: str | AutoresetMode) -> AutoresetMode:
    """A mode by one of its names; a ValueError for any other."""
    if isinstance(mode, AutoresetMode):
        return mode
    modes = {name.lower(): each for name, each in AutoresetMode.__members__.items()}
    if mode not in modes and mode not in {each.value for each in modes.values()}:
        raise InputError(f"unknown autoreset_mode {mode!r}: expected one of {', '.join(map(repr, sorted(modes)))}")
    return modes.get(mode) or AutoresetMode(mode)
