"""Stopping a training that has diverged, before anything of it is saved."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ada3d_gym.errors import DivergedError


def finite(value: float, what: str, optimizer: torch.optim.Optimizer) -> float:
    """The value of a loss, if it is a number; asked for before the optimizer's step, so that weights stay sound.

    Raises:
        DivergedError: naming what it is and the learning rate.
    """
    if not math.isfinite(value):
        rate = max(group["lr"] for group in optimizer.param_groups)
        raise DivergedError(f"{what} is {value} at a learning rate of {rate:.3g}")
    return value


def check_state(state: Mapping[str, Any]) -> None:
    """Goes through all arrays of a learner's state after an epoch: a finite loss can have gradients that are not.

    A number by itself may be infinite, as the best of none yet; no NaN is let through.

    Raises:
        DivergedError: naming the first that is not finite, and the learning rates in the state.
    """
    for name, tensor in _tensors(state):
        if tensor.is_floating_point() and not _sound(tensor):
            rates = ", ".join(f"{rate:.3g}" for rate in dict.fromkeys(_rates(state)))
            raise DivergedError(f"{name} is no longer finite" + (f" at a learning rate of {rates}" if rates else ""))


@contextmanager
def during(phase: str, epoch: int, step: int | None = None) -> Iterator[None]:
    """Adds to a `DivergedError` where it was: a phase of the training, its epoch and the step in it, from 1."""
    try:
        yield
    except DivergedError as error:
        place = f"{phase}, epoch {epoch}" + (f", step {step}" if step is not None else "")
        raise DivergedError(
            f"{place}: the training has diverged, {error}; what was saved before is sound. "
            "Train again in another folder, with a lower learning rate"
        ) from error


def _sound(tensor: Tensor) -> bool:
    return not tensor.isnan().any() if tensor.numel() == 1 else bool(tensor.isfinite().all())


def _tensors(values: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(values, Tensor):
        yield name, values
    elif isinstance(values, Mapping):
        for key, value in values.items():
            yield from _tensors(value, f"{name}.{key}" if name else str(key))
    elif isinstance(values, list | tuple):
        for number, value in enumerate(values):
            yield from _tensors(value, f"{name}.{number}")


def _rates(values: Any) -> Iterator[float]:
    if isinstance(values, Mapping):
        for group in values.get("param_groups", ()):
            yield float(group["lr"])
        for value in values.values():
            yield from _rates(value)
