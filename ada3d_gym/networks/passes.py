"""A batch on a CPU as several small ones, one on each thread, where a network's steps are too small to share.

Threads that share a convolution wait for each other at its end. Of a network of many small steps, each thread rather
takes some of the clips, and so few at a time that a layer finds in the cache what the one before has left there.
"""

from __future__ import annotations

import heapq
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier

import torch
from torch import Tensor
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

PASS_PIXELS = 2**19  # of frames that end a pass
SMALLEST_PIXELS = 2**17  # of frames in a pass beside others; with fewer, threads wait for Python instead

Compute = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Values (B, …) of clips, or of the frames that masks keep, and the masks u (B, T) and v (B, K)."""


def in_passes(compute: Compute, clips: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """`compute(clips, u, v)`, the clips taken in passes.

    Args:
        compute: asks nothing of a clip about others.
        clips: (B, T, 3, H, W), or the N frames that u keeps, (N, 3, H, W).
        u, v: (B, T) and (B, K) bool, on the CPU.
    """
    kept = u.sum(1).tolist()
    packed, pixels = clips.dim() == 4, sum(kept) * clips.shape[-2] * clips.shape[-1]
    threads = torch.get_num_threads()
    small = threads > 1 and pixels < threads * SMALLEST_PIXELS
    if not pixels or small or not may_split(clips) or (packed and len(clips) != sum(kept)):
        return compute(clips, u, v)
    parts = _shares(kept, threads * math.ceil(pixels / PASS_PIXELS / threads))
    pool = _single_threads(threads, os.getpid()) if threads > 1 else None
    if len(parts) < 2 or (threads > 1 and pool is None):
        return compute(clips, u, v)
    of_clip = torch.arange(sum(kept)).split(kept)

    def pass_(rows: list[int]) -> Tensor:
        own = torch.cat([of_clip[row] for row in rows]) if packed else rows
        return compute(clips[own], u[rows], v[rows])

    inference = torch.is_inference_mode_enabled()  # each thread has modes of its own

    @torch.no_grad()
    def beside(rows: list[int]) -> Tensor:
        with torch.inference_mode(inference):
            return pass_(rows)

    values = torch.cat([*map(pass_, parts)] if pool is None else [*pool.map(beside, parts)])
    return torch.empty_like(values).index_copy_(0, torch.tensor([row for rows in parts for row in rows]), values)


def may_split(clips: Tensor) -> bool:
    """Whether clips are on a CPU, and nothing watches the operations on them that does not look into other threads."""
    watched = is_in_torch_dispatch_mode() or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling()
    return clips.is_cpu and not watched


def _shares(kept: list[int], count: int) -> list[list[int]]:
    """Rows of clips in at most so many parts of about as many frames each: the longest first, to whom has least."""
    parts: list[tuple[int, int, list[int]]] = [(0, part, []) for part in range(count)]
    for row in sorted(range(len(kept)), key=lambda row: -kept[row]):
        frames, part, rows = parts[0]
        heapq.heapreplace(parts, (frames + kept[row], part, [*rows, row]))
    return [rows for _, _, rows in parts if rows]


@cache
def _single_threads(count: int, process: int) -> ThreadPoolExecutor | None:
    """Threads of this process in each of which PyTorch uses one; None where it has but one setting for all.

    Args:
        count: of threads, as many as PyTorch uses in the thread that asks.
        process: that it is for, since threads do not survive a fork.
    """
    started = Barrier(count + 1)

    def threads_in_each(_: int) -> int:
        started.wait()  # so that each thread has been set up
        return torch.get_num_threads()

    pool = ThreadPoolExecutor(count, "ada3d-pass", torch.set_num_threads, (1,))
    told = pool.map(threads_in_each, range(count))
    started.wait()
    single = set(told) == {1}
    torch.set_num_threads(count)  # in threads to come; in this one it is so already where each has its own
    if single and pool.submit(torch.get_num_threads).result() == 1:
        return pool
    pool.shutdown()
    return None
