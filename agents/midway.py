"""Epochs that are saved, and gone on with, in their middle: an epoch of a large data set takes hours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import nn

from ada3d_gym import parallel


class Kept(Protocol):
    """What an epoch leaves from batch to batch, besides what its learner's own state holds."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Midway:
    """Where in an epoch a training is, as a part of its state.

    An epoch calls `begin`, leaves out as many batches as that says, calls `updated` after each update of its weights,
    and `end`. Each of several processes keeps its own; the state holds those of all. Where another number of processes
    goes on, weights and draws are what they would have been, and the epoch's figures are of a part of its batches.

    Attributes:
        on_update: called after each update with the number of batches that are done; the state may be taken then, by
            all processes together.
    """

    on_update: Callable[[int], None]

    def __init__(self) -> None:
        self.on_update = _nothing
        self._done, self._kept, self._loaded = 0, dict[str, Kept](), dict[str, Any]()

    def begin(self, **kept: Kept) -> int:
        """How many batches of the epoch were done before an interruption, having put back what was kept of them."""
        self._kept, loaded, self._loaded = kept, self._loaded, {}
        self._done = int(loaded.get("batches", 0))
        if self._done:
            every = loaded["kept"]
            mine = every[min(parallel.rank(), len(every) - 1)]
            for name, each in kept.items():
                each.load_state_dict(mine[name])
        return self._done

    def updated(self, batches: int) -> None:
        """Says that so many batches of the epoch are done."""
        self._done = batches
        self.on_update(batches)

    def end(self) -> None:
        """The epoch is over."""
        self._done, self._kept = 0, {}

    def state_dict(self) -> dict[str, Any]:
        """Empty between epochs."""
        if not self._done:
            return {}
        return {
            "batches": self._done,
            "kept": parallel.gather({name: each.state_dict() for name, each in self._kept.items()}),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._loaded, self._done = state, 0


class Draws:
    """A generator's place in its stream.

    Args:
        generator: of PyTorch.
    """

    def __init__(self, generator: torch.Generator):
        self._generator = generator

    def state_dict(self) -> dict[str, Any]:
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._generator.set_state(state["generator"])


class Buffers:
    """A network's buffers, such as statistics of batch norm that each process has of its own clips.

    Args:
        network: whose buffers they are.
    """

    def __init__(self, network: nn.Module):
        self._network = network

    def state_dict(self) -> dict[str, Any]:
        return {name: each.cpu().clone() for name, each in self._network.named_buffers()}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, each in self._network.named_buffers():
            each.copy_(state[name])


def _nothing(batches: int) -> None:
    """Nobody wants to know."""
