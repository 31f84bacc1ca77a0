"""What agents that learn from an outcome table share: they look all masks of a clip up, instead of trying some."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ada3d_gym.agents.figures import MaskWatch, Meter
from ada3d_gym.agents.progress import epoch_batches
from ada3d_gym.agents.selecting import Rates, SelectingAgent
from ada3d_gym.bandit import ClipBandit
from ada3d_gym.divergence import during, finite
from ada3d_gym.errors import InputError
from ada3d_gym.outcomes.classifier import TableClassifier
from ada3d_gym.outcomes.values import Game
from ada3d_gym.profiling import section
from ada3d_gym.seeding import Stream, spawn

Bits = NDArray[np.bool_]


class TableOptions(Rates, Protocol):
    """Of a training in one phase."""

    @property
    def epochs(self) -> int: ...
    @property
    def batch_size(self) -> int: ...


class TableLearner(SelectingAgent):
    """Trains by `_loss` on the clips that REINFORCE of the same seed sees in its first stage, in the same order.

    Only training needs the table: what is trained acts, and is judged, on a live network as well.
    """

    feedback = "full"

    def __init__(self, selection: nn.Module, bandit: ClipBandit, options: TableOptions, *, seed: int, device: str):
        super().__init__(selection, bandit, options, seed=seed, device=device)
        self.total_epochs, self._batch_size = options.epochs, options.batch_size
        self.macs = self._count_macs()

    @cached_property
    def game(self) -> Game:
        """Of the bandit's outcome table.

        Raises:
            InputError: for a bandit on a live network, and for a reward of one's own.
        """
        classifier = self.bandit.classifier
        if not isinstance(classifier, TableClassifier):
            raise InputError(
                f"{self.phase} learns from an outcome table, and this environment asks its network: give "
                "outcomes='table', or the path of a table that 'ada3d tabulate' made"
            )
        return Game(classifier.table, self.bandit.reward)

    @property
    def pulls_per_epoch(self) -> int:
        """As many as there are masks for each video, though none of them is pulled."""
        source = self.bandit.source
        return int(len(source) // source.views * 2 ** (self.bandit.num_frames + self.bandit.num_stages))

    def check_learning(self) -> None:
        _ = self.game

    @property
    def phase(self) -> str:
        return type(self).__name__.lower()

    def train_epoch(self) -> dict[str, float]:
        source = self.bandit.source
        ids = self.bandit.epoch(np.random.default_rng(spawn(self.seed, Stream.REINFORCE, self.epoch, 0)))
        meter, watch = Meter(), MaskWatch(source)
        batches = epoch_batches(source, ids, self._batch_size, self.phase, self.epoch, self.total_epochs)
        self.selection.eval()  # batch norm stays as pre-trained
        for number, (done, _, batch) in enumerate(batches, start=1):
            self._set_progress(self.epoch + done)
            shown = self.bandit.observer(batch)
            with section("transfer"):
                clips = torch.from_numpy(shown).to(self._on)
            self.optimizer.zero_grad()
            with section("policy updates", len(batch)), during(self.phase, self.epoch + 1, number):
                loss, u, v = self._loss(self._network(clips), batch, self.game.table.rows(batch), meter)
                finite(loss.item(), f"the loss of {self.phase}", self.optimizer)
                loss.backward()
            self.optimizer.step()
            watch.add(batch, u, v)
        self._set_progress(self.epoch + 1)
        return meter.means() | watch.figures()

    @abstractmethod
    def _loss(
        self, output: Any, ids: NDArray[np.int64], rows: NDArray[np.int64], meter: Meter
    ) -> tuple[Tensor, Bits, Bits]:
        """Of clips, whose rows in the table are `rows`, from the network's output; and the masks it would choose."""

    def _set_progress(self, epochs: float) -> None:
        """Called with how many epochs are done, before each batch and after the last."""
        self._set_lr(epochs / self.total_epochs)


def check_training(options: TableOptions) -> None:
    """Raises InputError for a batch of no clips."""
    if options.batch_size < 1:
        raise InputError(f"batch_size={options.batch_size}: expected at least 1")
