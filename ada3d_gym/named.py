"""Things of a user's own code, by their names."""

from __future__ import annotations

import importlib
from typing import Any

from ada3d_gym.errors import InputError


def imported(kind: str, name: str, example: str) -> Any:
    """What `module:attribute` names.

    Args:
        kind: what it is to be, for errors, as "agent".
        name: as "examples.own_agent:BudgetByMotion".
        example: of a name, for errors.

    Raises:
        InputError: for what is no such name, or cannot be imported.
    """
    module, _, attribute = name.partition(":")
    if not all(map(str.isidentifier, [*module.split("."), attribute])):
        raise InputError(f"{kind} {name!r}: expected {example}")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise InputError(f"{kind} {name!r} cannot be imported: {error}") from error
