"""Runs a command's function with its arguments from the command line and says what went wrong in one line.

`--debug` anywhere on a command line, or ADA3D_DEBUG=1, shows the traceback too. What is a fault of the program, and not
the user's doing, always keeps it.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import tyro
from gymnasium.error import UnregisteredEnv

import ada3d_gym
from ada3d_gym import launched
from ada3d_gym.errors import Ada3DError
from ada3d_gym.experiments.ending import INTERRUPTED, quiet_ending


def run(command: Callable[..., Any], *, program: str | None = None, arguments: Sequence[str] | None = None) -> None:
    """Parses `command`'s typed arguments and calls it.

    Args:
        command: a function.
        program: what its usage says is typed before them; by default `python -m` and the module that was run.
        arguments: those of the command line by default.
    """
    given = sys.argv[1:] if arguments is None else arguments
    arguments = [each for each in given if each != "--debug"]
    debug = len(arguments) < len(given) or os.environ.get("ADA3D_DEBUG", "0") not in ("", "0")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # a file's name must not end a command where the terminal lacks a letter
            stream.reconfigure(errors="backslashreplace")
    try:
        with quiet_ending(), one_voice(), plain_warnings():
            tyro.cli(command, prog=program or _program(), args=arguments)
    except KeyboardInterrupt:
        print("\ninterrupted: the same command goes on from here", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except (Ada3DError, UnregisteredEnv) as error:
        if debug:
            raise
        sys.exit(f"error: {' '.join(line.strip() for line in str(error).splitlines())}")


@contextmanager
def one_voice() -> Iterator[None]:
    """Of several processes that torchrun has started, the first alone prints; errors are those of any."""
    if launched.is_first():
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Warnings of this package are one line each, as errors are; others keep their place in the code."""
    before, package = warnings.formatwarning, Path(ada3d_gym.__file__).parent

    def shown(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        if Path(filename).is_relative_to(package):
            return f"warning: {message}\n"
        return before(message, category, filename, lineno, line)

    warnings.formatwarning = shown
    try:
        yield
    finally:
        warnings.formatwarning = before


def _program() -> str | None:
    """How this program was started, if as a module; else the name of its file is right."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {spec.name}" if spec else None
