"""What lies at a path where a file of some kind should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

JUNK: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "directory": lambda path: path.mkdir(),
    "empty": lambda path: path.touch(),
    "text": lambda path: path.write_text("nothing of the kind\n" * 100),
    "random bytes": lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
}
"""What each is made by, at a path."""
