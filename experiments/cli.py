"""Runs a command's function with its arguments from the command line and says what went wrong in one line.

`--debug` anywhere on a command line, or ADA3D_DEBUG=1, shows the traceback too. What is a fault of the program, and not
the user's doing, always keeps it.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import Any

import tyro
from gymnasium.error import UnregisteredEnv

from ada3d_gym.errors import Ada3DError


def run(command: Callable[..., Any]) -> None:
    """Parses `command`'s typed arguments and calls it."""
    arguments = [each for each in sys.argv[1:] if each != "--debug"]
    debug = len(arguments) < len(sys.argv[1:]) or os.environ.get("ADA3D_DEBUG", "0") not in ("", "0")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # a file's name must not end a command where the terminal lacks a letter
            stream.reconfigure(errors="backslashreplace")
    try:
        tyro.cli(command, args=arguments)
    except KeyboardInterrupt:
        sys.exit("\ninterrupted: the same command goes on from here")
    except (Ada3DError, UnregisteredEnv) as error:
        if debug:
            raise
        sys.exit(f"error: {' '.join(line.strip() for line in str(error).splitlines())}")
