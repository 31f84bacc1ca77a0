"""Supervised policies: an outcome table says what is best, so that choosing masks is a matter of prediction.

They follow no gradient of the reward. Their distance to `exact` tells what the objective does, and their distance
between training and test clips what does not carry over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ada3d_gym.agents.figures import Meter
from ada3d_gym.agents.mask_values import MaskValues, ValuesLesson
from ada3d_gym.agents.selecting import as_arrays, check_keep, new_selection, new_trunk
from ada3d_gym.agents.table_learner import Bits, TableLearner, check_training
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.errors import InputError
from ada3d_gym.masks import join_mask
from ada3d_gym.networks.selection import Aggregation, MaskLogits, greedy
from ada3d_gym.outcomes.values import Game
from ada3d_gym.seeding import Stream, spawn, torch_seed

Target = Literal["mask", "values"]


@dataclass(frozen=True)
class SupervisedOptions:
    """What is learned, and how.

    Attributes:
        target: "mask", the best mask of each clip, by the selection network of REINFORCE (of several best ones, that
            with the smallest number); "values", what each of all M masks pays, to choose the mask that should pay most.
        epochs: with the classifier fixed.
        batch_size: clips in an update.
        lr, trunk_lr: of Adam, for what is on the trunk and for the trunk; a cosine takes both to zero.
        hidden: width of the layer between clips and the M values.
        weights, aggregation, keep: as in `Ada3DOptions`; "values" has no use for keep.
    """

    target: Target = "values"
    epochs: int = 6
    batch_size: int = 32
    lr: float = 3e-3
    trunk_lr: float = 3e-4
    hidden: int = 256
    weights: str | None = None
    aggregation: Aggregation = "concat"
    keep: float = 0.8

    def __post_init__(self) -> None:
        if self.target not in get_args(Target):
            raise InputError(f"unknown target {self.target!r}: expected one of {', '.join(get_args(Target))}")
        if self.hidden < 1:
            raise InputError(f"hidden={self.hidden}: expected at least 1")
        check_training(self)
        check_keep(self)


class Lesson(Protocol):
    """What is learned of a table, and how it is acted on."""

    def loss(self, output: Any, game: Game, rows: NDArray[np.int64]) -> Tensor:
        """Of a network's output for clips, rows (B,) of the game's table."""

    def choose(self, output: Any) -> tuple[Tensor, Tensor]:
        """Masks u (B, T) and v (B, K) bool."""


class MaskLesson:
    """Learns each bit of the best mask of each clip, by cross entropy."""

    def loss(self, output: MaskLogits, game: Game, rows: NDArray[np.int64]) -> Tensor:
        logits = torch.cat(output, 1)
        return F.binary_cross_entropy_with_logits(logits, torch.from_numpy(game.oracle().masks[rows]).to(logits))

    def choose(self, output: MaskLogits) -> tuple[Tensor, Tensor]:
        return greedy(output)


class Supervised(TableLearner):
    """From the trunk that REINFORCE starts from, on the same clips in the same order."""

    Options = SupervisedOptions

    def __init__(self, bandit: ClipBandit, options: SupervisedOptions, *, seed: int = 0, device: str = "cpu"):
        if options.target == "mask":
            self._lesson: Lesson = MaskLesson()
            network: nn.Module = new_selection(bandit, options, seed)
        else:
            self._lesson = ValuesLesson(bandit)
            with torch_seed(spawn(seed, Stream.SELECTION_WEIGHTS)):
                masks = 2 ** (bandit.num_frames + bandit.num_stages)
                network = MaskValues(new_trunk(bandit, options), masks, options.hidden)
        super().__init__(network, bandit, options, seed=seed, device=device)

    @torch.inference_mode()
    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.int8]:
        """The masks (B, T + K) held to be best for clips (B, T, 3, H, W) or features (B, T, C); none are ever drawn."""
        output = self._output(observations)
        return join_mask(*as_arrays(self._lesson.choose(output)))

    def _loss(
        self, output: Any, ids: NDArray[np.int64], rows: NDArray[np.int64], meter: Meter
    ) -> tuple[Tensor, Bits, Bits]:
        loss = self._lesson.loss(output, self.game, rows)
        u, v = as_arrays(self._lesson.choose(output))
        meter.add(loss=loss.item())
        meter.add_outcome(self.bandit.pull(ids, u, v))
        return loss, u, v
