"""Lets whoever waits for a long look at a file know that it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[], None] | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Callable[[], None]) -> Iterator[None]:
    """Calls `listener` at every `advance` inside the block, in this thread."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def advance() -> None:
    """A packet or a frame has been read. Costs next to nothing where nobody listens."""
    if listener := _listener.get():
        listener()


def is_watched() -> bool:
    """Whether somebody listens, so that long calls should be cut into short ones."""
    return _listener.get() is not None
