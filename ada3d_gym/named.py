"""Things of a user's own code, by their names."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from ada3d_gym.errors import Ada3DError, InputError


def imported(kind: str, name: str, example: str) -> Any:
    """What `module:attribute` names.

    Args:
        kind: what it is to be, for errors, as "agent".
        name: as "examples.own_agent:BudgetByMotion".
        example: of a name, for errors.

    Raises:
        InputError: for what is no such name, or cannot be imported.
    """
    attribute = name.partition(":")[2]
    if not attribute.isidentifier():
        raise InputError(f"{kind} {name!r}: expected {example}")
    module = imported_module(kind, name, example)
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise InputError(f"{kind} {name!r} cannot be imported: {error}") from error


def imported_module(kind: str, name: str, example: str) -> ModuleType:
    """The module before the colon of a name; arguments and errors as of `imported`."""
    module = name.partition(":")[0]
    if not all(map(str.isidentifier, module.split("."))):
        raise InputError(f"{kind} {name!r}: expected {example}")
    try:
        return importlib.import_module(module)
    except (ImportError, SyntaxError) as error:
        raise InputError(f"{kind} {name!r} cannot be imported: {error}") from error


@contextmanager
def own_code(failed: str, *but: type[Exception]) -> Iterator[None]:
    """Says which code of a user's own it was that raised, where an exception by itself would not.

    Args:
        failed: the beginning of the message, as "reward mine:Reward failed".
        but: exceptions that pass as they are, beside those that this package raises on purpose.

    Raises:
        InputError: for any other exception, which is its cause.
    """
    passing: tuple[type[Exception], ...] = (Ada3DError, *but)
    try:
        yield
    except passing:
        raise
    except Exception as error:
        raise InputError(f"{failed}: {type(error).__name__}: {error}") from error
