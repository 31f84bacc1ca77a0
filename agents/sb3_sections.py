"""Rollouts and updates of Stable-Baselines3's algorithms as sections of a profile."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack

from stable_baselines3.common.callbacks import BaseCallback

from ada3d_gym.profiling import Section, section


class Sections(BaseCallback, AbstractContextManager["Sections"]):
    """Opens a section of a profile where a rollout begins, and another where the update after it does.

    What the environment does within a rollout has sections of its own; what is left is the policy's. It is a context
    around the training, at whose end the last section is closed.

    Args:
        rollout: steps of a rollout, all environments together.
    """

    def __init__(self, rollout: int):
        super().__init__()
        self._rollout, self._open = rollout, ExitStack()

    def _on_rollout_start(self) -> None:
        self._turn("selection")

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self._turn("policy updates")

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _turn(self, name: Section) -> None:
        self._open.close()
        self._open.enter_context(section(name, self._rollout))
