"""Whether torchrun has started several processes, as its environment variables say; PyTorch is not asked."""

from __future__ import annotations

import os


def is_first() -> bool:
    """Whether this process is to print and write, of several that torchrun has started, joined or not."""
    return not several() or int(os.environ.get("RANK", "0")) == 0


def several() -> bool:
    """Whether torchrun has started several processes, joined or not."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def place_on_machine() -> tuple[int, int]:
    """The number of this process, from 0, among those that torchrun has started on its machine, and theirs."""
    if not several():
        return 0, 1
    return int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
