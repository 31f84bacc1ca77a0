"""Passes of a network whose gradients add up to updates of its weights: in a precision, and over processes.

Weights and their gradients are float32 whatever the precision; passes compute in it, as PyTorch's autocast has it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from ada3d_gym import parallel
from ada3d_gym.divergence import finite
from ada3d_gym.errors import DivergedError
from ada3d_gym.precision import Precision, autocast, gradient_scaler

LEAST_SCALE = 1.0  # below it, gradients are too large for float16 as they are


class Updates:
    """An optimizer's updates of a network.

    One of them is the gradient of one pass, or of several, whose losses are parts of one:

        for number, part in enumerate(parts):
            with updates.averaging(last=number == len(parts) - 1):
                with updates.computing():
                    loss = compute(updates.network, part)
                updates.backward(loss)
        updates.fetch("the loss", loss)
        updates.step()

    In float16, losses are scaled so that small gradients do not become zero. A step whose scaled gradients overflow is
    left out, and the scale is halved: nothing has diverged. Something has where gradients overflow at a scale below
    `LEAST_SCALE`.

    Args:
        network: on its device, with float32 weights.
        optimizer: of its weights.
        device: of the network.
        precision: of its passes.

    Attributes:
        network: what passes are computed with; of several processes, it averages gradients.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        device: torch.device | str,
        precision: Precision = "float32",
    ):
        self.network, self.optimizer = parallel.wrap(network), optimizer
        self._device, self._precision = torch.device(device), precision
        self._scaler = gradient_scaler(self._device, precision)

    def averaging(self, last: bool) -> AbstractContextManager[Any]:
        """Around a pass, forward and backward; `last`: of its update."""
        return parallel.averaging(self.network, last)

    def computing(self) -> AbstractContextManager[Any]:
        """Around a forward pass; what comes out of it may be of the precision's dtype."""
        return autocast(self._device, self._precision)

    def backward(self, loss: Tensor) -> None:
        """Adds the gradient of a part of an update's loss."""
        self._scaler.scale(loss).backward()

    def fetch(self, what: str, loss: Tensor, *figures: Tensor) -> list[float]:
        """A loss and other figures as numbers, for which the host waits once; to be called before the step.

        Args:
            what: the loss is, for messages.
            loss, figures: of one element each.

        Raises:
            DivergedError: for a loss that is no finite number, and for gradients that overflow float16 whatever the
                scale.
        """
        scaled = self._scaler.is_enabled()
        scale = [self._scaler.scale(torch.ones((), device=self._device))] if scaled else []
        values: list[float] = torch.stack([each.float() for each in (loss, *figures, *scale)]).tolist()
        finite(values[0], what, self.optimizer)
        if scaled and values.pop() < LEAST_SCALE:
            raise DivergedError(
                f"the gradient of {what} does not fit float16, however it is scaled (precision bfloat16 has the range)"
            )
        return values

    def step(self) -> None:
        """Changes the weights by the gradient that has been added up."""
        self._scaler.step(self.optimizer)
        self._scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Of the scale alone; empty where there is none."""
        return self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state and self._scaler.is_enabled():
            self._scaler.load_state_dict(state)
