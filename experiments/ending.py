"""How a command ends when nobody reads what it prints any more, as in `ada3d gflops | head`."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

UNREAD = 141  # what a shell reports of a program that SIGPIPE has ended
INTERRUPTED = 130  # and of one that Ctrl-C has


@contextmanager
def quiet_ending() -> Iterator[None]:
    """Ends the program without a word once the reader of its output is gone.

    Raises:
        SystemExit: in that case.
        BrokenPipeError: of any other pipe, as that to a worker.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # the interpreter's own flush at the end would fail with a traceback
    except BrokenPipeError:
        unread = [stream for stream in (sys.stdout, sys.stderr) if _is_unread(stream)]
        if not unread:
            raise
        for stream in unread:  # what they still hold, the interpreter flushes at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        sys.exit(UNREAD)


def _is_unread(stream: TextIO) -> bool:
    """Whether a stream is a pipe without a reader."""
    if not hasattr(select, "poll"):  # on Windows, where such a pipe fails with another error
        return False
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
