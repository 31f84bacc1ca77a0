"""Randomness comes from seeds that are passed in, never from global state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def spawn(seed: int, *key: int) -> np.random.SeedSequence:
    """An independent stream for each `key` (a run's part, an epoch, …) of one seed."""
    return np.random.SeedSequence(seed, spawn_key=key)


def torch_generator(sequence: np.random.SeedSequence, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator started from a NumPy seed sequence."""
    return torch.Generator(device).manual_seed(_integer(sequence))


@contextmanager
def torch_seed(sequence: np.random.SeedSequence) -> Iterator[None]:
    """Runs code that draws from torch's global CPU generator (weight initialisation), then restores its state."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_integer(sequence))
        yield


def _integer(sequence: np.random.SeedSequence) -> int:
    return int(sequence.generate_state(1, np.uint64)[0]) >> 1
