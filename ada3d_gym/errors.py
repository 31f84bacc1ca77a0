"""The base of the errors that this package raises on purpose, which tells them from faults of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from numbers import Integral
from os import PathLike
from typing import Any

import numpy as np


class Ada3DError(Exception):
    """Something given (a file, list, checkpoint, action or option) cannot be used.

    The message is for the person who gave it: it names the thing, what was expected and what to do. Commands print it
    in one line; any other exception is a fault of the program and keeps its traceback.
    """


class InputError(Ada3DError, ValueError):
    """An argument, option or setting that makes no sense."""


class DivergedError(Ada3DError):
    """A training whose loss or weights are no longer numbers, stopped before any of it was saved."""


def check_counts(**given: Any) -> None:
    """Raises InputError for the first argument, by its name, that is neither None nor a whole number of at least 1."""
    _check_whole({name: value for name, value in given.items() if value is not None}, 1)


def check_sizes(**given: Any) -> None:
    """Raises InputError for the first argument, by its name, that is no whole number of at least 0."""
    _check_whole(given, 0)


def _check_whole(given: Mapping[str, Any], least: int) -> None:
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise InputError(f"{name}={value!r}: expected a whole number of at least {least}")


def check_flags(**given: Any) -> None:
    """Raises InputError for the first argument, by its name, that is neither True nor False."""
    for name, value in given.items():
        if not isinstance(value, bool | np.bool_):
            raise InputError(f"{name}={value!r}: expected True or False")


def check_paths(**given: Any) -> None:
    """Raises InputError for the first argument, by its name, that is neither None nor a path."""
    for name, value in given.items():
        if not isinstance(value, str | PathLike | None):
            raise InputError(f"{name}={value!r}: expected a path")


def did_you_mean(given: Iterable[str], known: Iterable[str]) -> str:
    """The end of a message on misspelt names: "; did you mean …?", or nothing where none of the known is close."""
    known = list(known)
    close = dict.fromkeys(match for name in given for match in get_close_matches(name, known, n=1))
    return f"; did you mean {', '.join(close)}?" if close else ""
