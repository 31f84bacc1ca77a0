"""Peak memory of one call, and an allocator that keeps still while others are timed."""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Callable
from pathlib import Path

import torch

_CPU = torch.device("cpu")
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_megabytes(way: Callable[[], object], device: torch.device = _CPU) -> float:
    """Memory that a call takes at its peak beyond what was held before, in MB; NaN for a CPU where Linux is not there.

    On a GPU, what PyTorch holds there. On a CPU, the kernel's high-water mark of the resident set, set back before the
    call (proc(5), clear_refs 5).
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        held = torch.cuda.memory_allocated(device)
        way()
        return (torch.cuda.max_memory_allocated(device) - held) / 2**20
    if not _CLEAR.exists():
        return float("nan")
    ctypes.CDLL(None).malloc_trim(0)
    _CLEAR.write_text("5")
    before = _read("VmRSS")
    way()
    return (_read("VmHWM") - before) / 1024


def _read(field: str) -> int:
    match = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    assert match, f"no {field} in {_STATUS}"
    return int(match[1])


def give_back_freed_memory() -> None:
    """What `keep_freed_memory` has kept, to the system."""
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def keep_freed_memory() -> None:
    """Lets glibc keep what is freed for the next tensor, for this process; elsewhere nothing happens.

    Otherwise every large activation is mapped and unmapped anew, and the page faults, which differ from call to call
    and machine to machine, are what one measures. Set for all that is compared.
    """
    if sys.platform == "linux":
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 2**28)):
            mallopt(parameter, value)


_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h
