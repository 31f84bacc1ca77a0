"""The batched face of clip selection for Gymnasium: N environments are one batch of N episodes."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from typing_extensions import Unpack

from ada3d_gym.envs.infos import Infos
from ada3d_gym.envs.vector_env import autoreset_mode_of, checked_reset_mask, flagged, over_error, seed_of
from ada3d_gym.errors import check_counts, check_flags
from ada3d_gym.options import LookingOptions
from ada3d_gym.untrimmed.core import Episodes, Flags, LookingCore, VideoOrder
from ada3d_gym.untrimmed.env import ready_core, row_of
from ada3d_gym.untrimmed.infos import look_infos, reset_infos
from ada3d_gym.untrimmed.rendering import strip


class LookingVectorEnv(VectorEnv[Any, NDArray[np.float32], NDArray[Any]]):
    """N videos, N looks at a time; `gym.make_vec(id, num_envs=N)` makes it.

    Spaces, rewards and infos are those of `LookingEnv`, batched, and the N share one order of videos. An episode that
    ends is followed by the next one as `autoreset_mode` says, in the form of Gymnasium's own vector environments:
    "same_step" (the default; where an episode has ended, `infos["final_obs"]` and `infos["final_info"]` have what the
    step led to), "next_step" or "disabled".

    Args:
        num_envs: N.
        core: the core to wrap; built from `options` if None.
        render_mode: None or "rgb_array", N strips.
        autoreset_mode: one of the names above or a `gymnasium.vector.AutoresetMode`; also in `metadata`, as the latter.
        label_at_reset: as for `LookingEnv`; also of the infos that a step has of new videos.
        options: as for `LookingEnv`.

    Example:
        >>> import ada3d_gym, gymnasium as gym, numpy as np
        >>> envs = gym.make_vec("Ada3D-MotionShapesUntrimmed-v0", num_envs=2, split="test", videos=2, flat=True)
        >>> envs.reset(seed=0)[0].shape
        (2, 784)
        >>> observations, rewards, over, _, infos = envs.step(np.float32([[0.0, 0.0], [1.0, 0.0]]))
        >>> infos["place"].tolist()  # of the last looks, at the first and the last of 16 places
        [0, 15]
    """

    metadata = {  # noqa: RUF012 (Gymnasium's own declaration)
        "render_modes": ["rgb_array"],
        "render_fps": 1,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        core: LookingCore | None = None,
        *,
        render_mode: str | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
        label_at_reset: bool = False,
        **options: Unpack[LookingOptions],
    ):
        check_counts(num_envs=num_envs)
        check_flags(label_at_reset=label_at_reset)
        self.autoreset_mode = autoreset_mode_of(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.core = ready_core(core, options, render_mode)
        self.num_envs, self.render_mode, self.label_at_reset = num_envs, render_mode, label_at_reset
        self.single_observation_space = self.core.observation_space
        self.single_action_space = self.core.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._order: VideoOrder | None = None
        self._episodes: Episodes | None = None

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begins N episodes.

        Args:
            seed: starts the order of videos afresh; a list counts as one seed made of its numbers.
            options: "reset_mask", (N,) bool: begin new episodes for these environments alone.
        """
        self._check_open()
        if seed is not None:
            self.np_random = np.random.default_rng(seed_of(seed))
        if seed is not None or self._order is None:
            self._order = VideoOrder(self.core.looks, self.np_random)
        fresh = np.ones(self.num_envs, np.bool_)
        if options and "reset_mask" in options:
            mask = checked_reset_mask(options.pop("reset_mask"), self.num_envs)
            fresh = fresh if self._episodes is None else mask
        self._episodes = self._restarted(self._episodes, fresh)
        infos = reset_infos(self.core, self._episodes.take(fresh), self.label_at_reset)
        return self.core.observe(self._episodes), self._spread(infos, fresh)

    def step(self, actions: NDArray[np.float32]) -> tuple[Any, NDArray[np.float64], Flags, Flags, dict[str, Any]]:
        """Looks, or stops, in N episodes (N, 2) and, by the autoreset mode, begins new ones.

        Raises:
            ActionError: for actions that are not N pairs of numbers from 0 to 1.
            gym.error.ResetNeeded: before the first reset; where resets are disabled, for episodes that are over.
            gym.error.ClosedEnvironmentError: after `close()`.
        """
        self._check_open()
        if self._episodes is None:
            raise gym.error.ResetNeeded("there are no videos yet: call reset() before the first step()")
        before = self._episodes.over
        if self.autoreset_mode is AutoresetMode.DISABLED and before.any():
            raise over_error(before)
        acting, rewards, after = ~before, np.zeros(self.num_envs), self._episodes
        if acting.any():
            acted, rewards[acting] = self.core.step(after.take(acting), self._of_acting(actions, acting))
            after = after.put(acting, acted)
        infos, told, over = look_infos(self.core, after), dict[str, Any](), after.over & acting
        fresh = over if self.autoreset_mode is AutoresetMode.SAME_STEP else before
        if self.autoreset_mode is AutoresetMode.SAME_STEP and over.any():
            told = self._final(after, infos, over)
        if fresh.any():
            after = self._restarted(after, fresh)
        self._episodes = after
        merged = self._merged(infos, after, fresh) | told
        return self.core.observe(after), rewards, over, np.zeros_like(over), merged

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """The strip of each video."""
        if self.render_mode is None:
            return None
        if self._episodes is None:
            raise gym.error.ResetNeeded("there are no videos to render: call reset() first")
        return tuple(strip(self.core, self._episodes, row) for row in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        self.core.close()

    def _restarted(self, episodes: Episodes | None, rows: Flags) -> Episodes:
        """With new episodes in some rows."""
        assert self._order is not None
        fresh = self.core.start(self._order.draw(int(rows.sum())))
        return fresh if episodes is None else episodes.put(rows, fresh)

    def _of_acting(self, actions: Any, acting: Flags) -> Any:
        """The actions of those environments that act; those of others, as of wrong shapes, nobody looks at yet."""
        try:
            array = np.asarray(actions)
        except ValueError:  # of uneven lengths: the core says so
            return actions
        return array[acting] if array.ndim and len(array) == self.num_envs else actions

    def _final(self, ended: Episodes, infos: Infos, over: Flags) -> dict[str, Any]:
        """What the last step of episodes led to, in Gymnasium's form."""
        shown = self.core.observe(ended)
        final = np.full(self.num_envs, None, object)
        for row in np.flatnonzero(over).tolist():
            final[row] = row_of(shown, row)
        told = {
            "final_obs": final,
            "final_info": self._spread({key: values[over] for key, values in infos.items()}, over),
        }
        return told | {f"_{name}": over.copy() for name in told}

    def _merged(self, infos: Infos, episodes: Episodes, fresh: Flags) -> dict[str, Any]:
        """Infos of a step after which `fresh` episodes have only begun: of those, what a reset tells."""
        begun = reset_infos(self.core, episodes, self.label_at_reset)
        merged = flagged(begun, np.ones_like(fresh))
        if not fresh.all():
            merged |= self._spread({key: infos[key][~fresh] for key in infos.keys() - begun.keys()}, ~fresh)
        return merged

    def _spread(self, infos: Infos, rows: Flags) -> dict[str, Any]:
        """Infos of some environments as those of all, with zeros for the others, and flags beside them."""
        spread: Infos = {}
        for name, values in infos.items():
            spread[name] = (
                np.full(self.num_envs, None, object)
                if values.dtype == object
                else np.zeros(self.num_envs, values.dtype)
            )
            spread[name][rows] = values
        return flagged(spread, rows)

    def _check_open(self) -> None:
        if self.closed:
            raise gym.error.ClosedEnvironmentError("the environment is closed: make a new one")
