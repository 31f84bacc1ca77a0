"""Pulls that were made, kept for networks that learn from them again."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Replay:
    """The last pulls, up to a number of them: contexts, what was chosen and what it paid.

    Args:
        limit: pulls that are kept.
        device: where.
    """

    def __init__(self, limit: int, device: str):
        self._limit, self._device = limit, device
        self._columns: list[Tensor] = []
        self._pulls = 0

    def __len__(self) -> int:
        return min(self._pulls, self._limit)

    def add(self, *columns: Tensor) -> None:
        """Pulls (B, …), the same columns at every call; those made longest ago make room for them."""
        if not self._columns:
            self._columns = [each.new_empty(self._limit, *each.shape[1:], device=self._device) for each in columns]
        places = torch.arange(self._pulls, self._pulls + len(columns[0]), device=self._device) % self._limit
        for column, values in zip(self._columns, columns, strict=True):
            column[places] = values
        self._pulls += len(columns[0])

    def draw(self, count: int, rng: np.random.Generator) -> list[Tensor]:
        """Each column of `count` pulls, drawn with replacement."""
        rows = torch.from_numpy(rng.integers(len(self), size=count)).to(self._device)
        return [column[rows] for column in self._columns]

    def state_dict(self) -> dict[str, object]:
        return {"pulls": self._pulls, "columns": [column[: len(self)].clone() for column in self._columns]}

    def load_state_dict(self, state: dict[str, object]) -> None:
        self._columns, self._pulls = [], 0
        if columns := state["columns"]:
            self.add(*columns)  # type: ignore[misc]
        self._pulls = state["pulls"]  # type: ignore[assignment]
