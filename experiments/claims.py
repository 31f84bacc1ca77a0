"""Claims: what one process has to itself, among all that share a folder, on one machine or on several.

A claim is two files. One is locked (`flock`): on one machine, and where a file system passes locks on, nothing is
surer, and the lock of a process that was killed is gone with it. But file systems of several machines may keep locks to
each machine, or grant whatever is asked for, or refuse all of them. So the other file is created, which every file
system grants to one process alone (O_EXCL), and its time is set anew all the while: a claim that was not renewed for
`STALE` seconds, as of a machine that has lost its power, may be taken over. One of a process of the same machine that
is there no more is taken over at once.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, SoftFileLease, Timeout

STALE = 120.0  # seconds; all machines must agree
BEAT = 15.0  # seconds between renewals
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)  # there is no flock here


class Claimed(Exception):
    """Another process has it."""


@contextmanager
def claim(path: Path, *, fatal: bool, blocking: bool = False) -> Iterator[None]:
    """Has `path`, with the suffixes ".lock" and ".claim", to this process alone; the first of these files stays.

    A claim that another machine seems to have lost is watched until it is renewed or has become stale: up to two
    minutes. All others are told at once.

    Args:
        path: of no file of its own; its folder is there.
        fatal: end this process where another one has taken the claim over, since this one was stopped for minutes: two
            would write the same files.
        blocking: wait for another process that has it.

    Raises:
        Claimed: while another process has it.
        OSError: where no such files can be made.
    """
    lock, name = FileLock(path.with_suffix(".lock")), path.with_suffix(".claim")
    lease = SoftFileLease(
        name,
        lease_duration=STALE,
        heartbeat_interval=BEAT,
        thread_local=False,
        on_compromise=(lambda lost: _end(name)) if fatal else None,
    )
    try:
        lock.acquire(blocking=blocking)
    except Timeout:
        raise Claimed from None
    except NotImplementedError:  # as filelock says that there are no locks
        pass
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    try:
        _take(lease, name, blocking)
        try:
            yield
        finally:
            lease.release()
    finally:
        lock.release()


def _take(lease: SoftFileLease, name: Path, blocking: bool) -> None:
    seen = None
    while True:
        try:
            lease.acquire(timeout=0)
            return
        except Timeout:
            pass
        now = _renewed(name)
        fresh = now is not None and _clock(name.parent) - now < 2 * BEAT * 1e9
        if not blocking and now is not None and (fresh or seen not in (None, now)):
            raise Claimed
        seen = now
        time.sleep(0.1 if fresh else 1.0)


def _renewed(name: Path) -> int | None:
    with suppress(OSError):
        return name.stat().st_mtime_ns
    return None


def _clock(folder: Path) -> int:
    """The file system's time in ns, by which all machines' files are dated."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime_ns


def _end(name: Path) -> None:
    sys.stderr.write(
        f"error: {name} was taken over by another process, as this one had not renewed it for {STALE:g} seconds: "
        "it ends, so that not two of them write the same files\n"
    )
    sys.stderr.flush()
    os._exit(1)
