"""Ctrl-C while a command loads its libraries, which takes seconds, ends it in one line as it does later."""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from pathlib import Path
from types import TracebackType

_MODULES = ("experiments.", "ada3d_gym.experiments.")  # of the commands, for `python -m`


def prepare() -> None:
    """Changes nothing unless this process is a command of this package."""
    if _is_command() and os.environ.get("ADA3D_DEBUG", "0") in ("", "0"):
        sys.excepthook = _one_line


def _is_command() -> bool:
    started = sys.orig_argv  # sys.argv has no names of modules
    modules = [module for option, module in pairwise(started) if option == "-m"]
    return Path(*sys.argv[:1]).stem == "ada3d" or any(module.startswith(_MODULES) for module in modules[:1])


def _one_line(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("\ninterrupted\n")
    else:
        sys.__excepthook__(kind, error, traceback)
