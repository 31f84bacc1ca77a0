"""Whether torchrun has started several processes, as its environment variables say; PyTorch is not asked."""

from __future__ import annotations

import os


def is_first() -> bool:
    """Whether this process is to print and write, of several that torchrun has started, joined or not."""
    return not several() or int(os.environ.get("RANK", "0")) == 0


def several() -> bool:
    """Whether torchrun has started several processes, joined or not."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1
