"""What Python code asks of a device, counted where it asks: the same on a CPU as on a GPU."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity, profile

from ada3d_gym import parallel

ON_HOST = ("ada3d_gym.networks.packing", "torch.optim")  # which ask for masks and counters that are on the host
FETCHES = ("cpu", "tolist", "item", "__float__", "__bool__", "__int__", "nonzero")  # the host waits for these


@contextmanager
def asked() -> Iterator[Counter[str]]:
    """Counts, inside of it, "copies" of arrays to a device and "waits" of the host for values."""
    found: Counter[str] = Counter()

    def counting(name: str, what: str, counts: Callable[..., bool]) -> Any:
        real = getattr(torch.Tensor, name)

        def call(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            found[what] += counts(self, *args, **kwargs)
            return real(self, *args, **kwargs)

        return patch.object(torch.Tensor, name, call)

    def to_device(self: torch.Tensor, *args: Any, **kwargs: Any) -> bool:
        return self.is_cpu and not isinstance(args[0] if args else None, torch.dtype | torch.Tensor)

    patches = [counting("to", "copies", to_device)]

    def waits(self: torch.Tensor, *args: Any, **kwargs: Any) -> bool:
        caller = sys._getframe(2).f_globals["__name__"]
        return not str(caller).startswith(ON_HOST)

    patches += [counting(name, "waits", waits) for name in FETCHES]
    for each in patches:
        each.start()
    try:
        yield found
    finally:
        for each in patches:
            each.stop()


def collectives(step: Callable[[], object]) -> int:
    """Sums, gathers and broadcasts over processes in a step, as their backend notes them."""
    if parallel.world() == 1:
        return 0
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as seen:
        step()
    return sum(event.name.startswith(("gloo:", "nccl:")) for event in seen.events() or ())
