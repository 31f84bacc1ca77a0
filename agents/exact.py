"""The paper's policy by the exact gradient: REINFORCE's first stage as if it drew every mask of each clip.

What separates it from REINFORCE is the noise of samples, and nothing else; what separates it from the oracle, the
policy's form and what it can tell from the clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ada3d_gym.agents.exploration import Exploration, check_exploration, entropy
from ada3d_gym.agents.figures import Meter
from ada3d_gym.agents.reinforce_options import Credit
from ada3d_gym.agents.selecting import as_arrays, check_keep, new_selection
from ada3d_gym.agents.table_learner import Bits, TableLearner, check_training
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.masks import join_mask
from ada3d_gym.networks.selection import Aggregation, MaskLogits, greedy
from ada3d_gym.seeding import Stream, spawn


@dataclass(frozen=True)
class ExactOptions:
    """As REINFORCE's of the same names, see `ReinforceConfig` and `Ada3DOptions`.

    Attributes:
        epochs: with the classifier fixed; there is no second stage.
        batch_size: clips in an update.
        lr, trunk_lr: of Adam, for the heads and the trunk.
        credit: "paper" follows for each head the gradient of its own expected reward (Eq. 6); "joint" that of their
            sum (Eq. 5).
        exploration, final_exploration: bounds of every probability.
        entropy, final_entropy: its weight.
        weights, aggregation, keep: of the selection network.
    """

    epochs: int = 6
    batch_size: int = 32
    lr: float = 3e-3
    trunk_lr: float = 3e-4
    credit: Credit = "paper"
    exploration: float = 0.95
    final_exploration: float = 0.95
    entropy: float = 0.15
    final_entropy: float = 0.02
    weights: str | None = None
    aggregation: Aggregation = "concat"
    keep: float = 0.8

    def __post_init__(self) -> None:
        check_training(self)
        check_exploration(self)
        check_keep(self)


class Exact(TableLearner):
    """The selection network of `Ada3D`, from the same weights, on the same clips in the same order."""

    Options = ExactOptions

    def __init__(self, bandit: ClipBandit, options: ExactOptions, *, seed: int = 0, device: str = "cpu"):
        super().__init__(new_selection(bandit, options, seed), bandit, options, seed=seed, device=device)
        self._own_gradient = options.credit == "paper"
        self._exploration = Exploration(options, options.epochs, spawn(seed, Stream.REINFORCE_ACT))

    @torch.inference_mode()
    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        """The greedy masks (B, T + K) of clips (B, T, 3, H, W) or features (B, T, C), or ones drawn as in learning."""
        logits = self._output(observations)
        return join_mask(*as_arrays(greedy(logits) if deterministic else self._exploration.draw(logits)))

    def _loss(
        self, output: MaskLogits, ids: NDArray[np.int64], rows: NDArray[np.int64], meter: Meter
    ) -> tuple[Tensor, Bits, Bits]:
        keep = self._exploration.keep(output)
        paid = self.game.expected_rewards(keep[0], keep[1], rows, own_gradient=self._own_gradient)
        open_to = [entropy(p) for p in keep]
        held_open = sum(part.sum(1).mean() for part in open_to)
        reward = paid.sum(0).mean()
        meter.add(  # what is expected of masks that are drawn
            reward=reward.item(),
            regret=self.game.oracle().values[rows].mean() - reward.item(),
            frames=keep[0].sum(1).mean().item(),
            stages=keep[1].sum(1).mean().item(),
            entropy_frames=open_to[0].mean().item(),
            entropy_stages=open_to[1].mean().item(),
        )
        objective = reward + self._exploration.entropy_weight * held_open
        return -objective, *as_arrays(greedy(output))

    def _set_progress(self, epochs: float) -> None:
        super()._set_progress(epochs)
        self._exploration.anneal(epochs)

    def load_policy_state(self, state: dict[str, object]) -> None:
        super().load_policy_state(state)
        self._exploration.anneal(self.epoch)
