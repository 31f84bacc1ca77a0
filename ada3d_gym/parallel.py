"""Training by several processes at once, started by `torchrun`: each takes its part of every batch.

Processes hold the same weights. A batch, and everything drawn for it, is that of a single process; a process computes
its own rows of it and `DistributedDataParallel` averages the gradients, so that the weights become what they would have
become in one process, but for the order of floating-point sums. By itself, a process is one of one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from ada3d_gym.devices import checked_device

T = TypeVar("T")


@contextmanager
def joined(device: str) -> Iterator[str]:
    """Joins the other processes, where torchrun has started several; yields this one's device ("cuda": one each)."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        device = checked_device(f"cuda:{os.environ['LOCAL_RANK']}")
        torch.cuda.set_device(device)
    # Between batches of training processes meet at once, but a part of a test split takes as long as it takes.
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=timedelta(days=1))
    yield device
    dist.destroy_process_group()  # after an error it would wait for the others; torchrun ends them


def world() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this one, from 0."""
    return dist.get_rank() if world() > 1 else 0


def rows(count: int) -> NDArray[np.int64]:
    """Which of `count` rows are this process's: every `world()`-th; all, where there are fewer rows than processes."""
    return np.arange(rank(), count, world()) if count >= world() else np.arange(count)


def weight(mine: float) -> float:
    """What turns the mean over this process's `mine` rows into its part of the mean over all, gradients averaged."""
    return mine / (total(mine) / world()) if world() > 1 else 1.0


def total(value: float) -> float:
    """The sum over processes."""
    return float(sum(gather(value)))


def wrap(module: nn.Module) -> nn.Module:
    """A module whose `backward` averages gradients over processes; stages that all masks leave out have none."""
    return DistributedDataParallel(module, find_unused_parameters=True) if world() > 1 else module


def share_buffers(module: nn.Module) -> None:
    """Gives every process the first one's floating-point buffers, such as batch norm's statistics of its own clips."""
    buffers = [buffer for buffer in module.buffers() if buffer.is_floating_point()]
    if world() == 1 or not buffers:
        return
    flat = torch.cat([buffer.float().flatten() for buffer in buffers])
    dist.broadcast(flat, 0)
    for buffer, values in zip(buffers, flat.split([buffer.numel() for buffer in buffers]), strict=True):
        buffer.copy_(values.view_as(buffer))


def gather(value: T) -> list[T]:
    """A picklable value of every process, in order."""
    if world() == 1:
        return [value]
    values: list[Any] = [None] * world()
    dist.all_gather_object(values, value)
    return values


def gather_rows(tensor: Tensor) -> Tensor:
    """The rows of all processes, for a tensor (..., B) of this one's."""
    if world() == 1:
        return tensor
    return torch.cat([part.to(tensor.device) for part in gather(tensor.cpu())], -1)


def wait() -> None:
    """Until all processes are here, as after one of them wrote a file."""
    if world() > 1:
        dist.barrier()
