"""Training by several processes at once, started by `torchrun`: each takes its part of every batch.

Processes hold the same weights. A batch, and everything drawn for it, is that of a single process; a process computes
its own rows of it and `DistributedDataParallel` averages the gradients, so that the weights become what they would have
become in one process, but for the order of floating-point sums. By itself, a process is one of one.

What processes tell each other at every step are tensors, on their device; Python objects (`gather`) go between epochs.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from ada3d_gym.devices import checked_device
from ada3d_gym.errors import Ada3DError
from ada3d_gym.launched import several
from ada3d_gym.watching import lost, watched

T = TypeVar("T")


class LostProcess(Ada3DError):
    """Another process that trains or judges the same run has ended, or cannot be reached."""


@contextmanager
def joined(device: str) -> Iterator[str]:
    """Joins the other processes, where torchrun has started several; yields this one's device ("cuda": one each).

    Raises:
        LostProcess: where another one ends meanwhile; where one falls silent, this one ends itself
            (`ada3d_gym.watching`).
    """
    if not several():
        yield device
        return
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        device = checked_device(f"cuda:{os.environ['LOCAL_RANK']}")
    if dist.is_initialized():  # within another one
        yield device
        return
    if on_gpu:
        torch.cuda.set_device(device)
    # Between batches of training processes meet at once, but a part of a test split takes as long as it takes.
    # `watched` ends what would wait for one that is gone.
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=timedelta(days=1))
    name = gather(secrets.token_hex(8))[0]  # torchrun's count of restarts differs between nodes
    with watched(name, dist.get_rank(), dist.get_world_size()):
        try:
            yield device
            dist.barrier()  # so that who is done first does not look like one that is gone
        except RuntimeError as error:
            if (told := lost(error)) is None:
                raise
            raise LostProcess(told) from error
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


def counts(whole: int) -> list[int]:
    """How many of `whole` rows each process has, in order."""
    return [len(range(each, whole, world())) if whole >= world() else whole for each in range(world())]


def weight(whole: int) -> float:
    """What turns the mean over this process's rows of `whole` into its part of the mean over all, gradients averaged.

    No process has to be asked for it.
    """
    return counts(whole)[rank()] / (sum(counts(whole)) / world()) if world() > 1 else 1.0


def total(values: Tensor) -> Tensor:
    """The sum over processes, elementwise, on the device of this one's values; nothing waits for it."""
    if world() == 1:
        return values
    summed = values.clone()
    dist.all_reduce(summed)
    return summed


def wrap(module: nn.Module) -> nn.Module:
    """A module whose `backward` averages gradients over processes; stages that all masks leave out have none."""
    if world() == 1:
        return module
    # Buffers change in the training of batch norm alone, and `share_buffers` is for that.
    options: Any = {"find_unused_parameters": True, "broadcast_buffers": False, "gradient_as_bucket_view": True}
    return DistributedDataParallel(module, **options)


def averaging(module: nn.Module, last: bool) -> AbstractContextManager[Any]:
    """Around a pass, forward and backward: gradients stay this process's own, and add up, but in the last.

    Processes need not take equally many passes, as long as each has one last.

    Args:
        module: as `wrap` gave it.
        last: whether gradients, those of the passes before among them, are averaged over processes.
    """
    return module.no_sync() if isinstance(module, DistributedDataParallel) and not last else nullcontext()


def average_gradients(module: nn.Module) -> None:
    """Averages gradients over processes, where all passes kept them to themselves (`averaging` with `last=False`).

    A parameter that no process has a gradient of stays without.
    """
    own = [each for each in module.parameters() if each.requires_grad]
    if world() == 1 or not own:
        return
    there = torch.tensor([float(each.grad is not None) for each in own], device=own[0].device)
    gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in own]
    summed = total(torch.cat([there, *(each.flatten() for each in gradients)])) / world()
    parts = summed[len(own) :].split([each.numel() for each in own])
    for each, gradient, part, found in zip(own, gradients, parts, summed[: len(own)].tolist(), strict=True):
        if found:
            each.grad = gradient.copy_(part.view_as(gradient))


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
    """A picklable value of every process, in order; slow, so not for every step."""
    if world() == 1:
        return [value]
    values: list[Any] = [None] * world()
    dist.all_gather_object(values, value)
    return values


def share(data: bytes) -> bytes:
    """The first process's bytes, in all."""
    if world() == 1:
        return data
    length = gather(len(data))[0]
    device = torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
    flat = torch.empty(length, dtype=torch.uint8, device=device)
    if rank() == 0 and length:
        flat.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
    dist.broadcast(flat, 0)
    return flat.cpu().numpy().tobytes()


def gather_rows(tensor: Tensor, whole: int) -> Tensor:
    """The rows of all processes, one process's after another's, for a tensor (..., B) of this one's of `whole` rows."""
    if world() == 1:
        return tensor
    lengths = counts(whole)
    mine = nn.functional.pad(tensor, (0, max(lengths) - tensor.shape[-1])).contiguous()
    parts = [torch.empty_like(mine) for _ in lengths]
    dist.all_gather(parts, mine)
    return torch.cat([part[..., :length] for part, length in zip(parts, lengths, strict=True)], -1)


def wait() -> None:
    """Until all processes are here, as after one of them wrote a file."""
    if world() > 1:
        dist.barrier()
