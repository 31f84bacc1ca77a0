"""What a reward may look at where a table stands in the place of the network."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.outcomes.storage import TableError
from ada3d_gym.outcomes.table import OutcomeTable
from ada3d_gym.rewards import Answers, Bits, Values


class TableAnswers(Answers):
    """Those of a table on B rows under B masks; what is not one bit a cell is looked up when it is asked for.

    What the parts hold has half the precision of a network's own answers.

    Args:
        table: where to look.
        rows: its rows (B,).
        numbers: of the masks (B,).
        u, v: the masks, (B, T) and (B, K) bool.
    """

    def __init__(self, table: OutcomeTable, rows: NDArray[np.int64], numbers: NDArray[np.int64], u: Bits, v: Bits):
        self._table: OutcomeTable
        self._cells: tuple[NDArray[np.int64], NDArray[np.int64]]
        vars(self).update(  # the class is frozen, and has its other values later
            _table=table,
            _cells=(rows, numbers),
            correct=table.correct(rows, numbers),
            u=u,
            v=v,
            macs_share=table.macs[numbers] / table.macs[-1],
        )

    def __repr__(self) -> str:
        return f"TableAnswers({self._table.name}, {len(self.u)} cells)"

    @cached_property
    def targets(self) -> Bits:
        """(B, C) bool, all labels of each clip."""
        return self._table.targets(self._cells[0])

    @property
    def scores(self) -> NDArray[np.float32]:
        """Raises TableError."""
        raise TableError(
            f"{self._table.name} holds no scores of all classes: use outcomes=None, which asks the network, or what a "
            "table's parts hold (prediction, confidence, label_probability, label_margin)"
        )

    @property
    def prediction(self) -> NDArray[np.int64]:
        return np.where(self.u.any(1), self._part("prediction").astype(np.int64), -1)

    @property
    def confidence(self) -> NDArray[np.float32]:
        return np.where(self.u.any(1), self._part("confidence").astype(np.float32), np.float32(0))

    @property
    def label_probability(self) -> Values:
        return np.where(self.u.any(1), self._part("label").astype(np.float64), 0.0)

    @property
    def label_margin(self) -> Values:
        return np.where(self.u.any(1), self._part("label_margin").astype(np.float64), 0.0)

    def _part(self, name: str) -> NDArray[np.generic]:
        """Cells (B,) of a part."""
        cells: NDArray[np.generic] = self._table.part(name)[self._cells]
        return cells
