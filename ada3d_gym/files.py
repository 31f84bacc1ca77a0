"""Files are written whole or not at all, and what keeps one from being written is said in one line."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from ada3d_gym.errors import Ada3DError


class OutputError(Ada3DError, OSError):
    """Somewhere that cannot be written; the message names it, the cause and what to do."""


@contextmanager
def writing(path: Path, remedy: str = "choose another --output", *, only: Path | None = None) -> Iterator[None]:
    """What goes wrong while a file is written, or one in a folder, becomes one line that names it.

    Args:
        path: of the file or folder.
        remedy: what to do where there can be no such file.
        only: the one file whose errors are meant, where the block reads others; errors without a file's name are too.

    Raises:
        OutputError: where the disk is full, the place is no folder or may not be written, and the like.
    """
    try:
        yield
    except Ada3DError:
        raise
    except (OSError, SafetensorError, RuntimeError) as error:
        cause = _system_error(error)
        if cause is None or (only is not None and getattr(cause, "filename", None) not in (None, only, str(only))):
            raise
        why = getattr(cause, "strerror", None) or str(cause)
        advice = "free some space, then start again" if _is_full(cause) else remedy
        raise OutputError(f"{path} cannot be written ({why}): {advice}") from error


@contextmanager
def replacing(path: Path, remedy: str = "choose another place") -> Iterator[Path]:
    """Yields an empty file beside `path`, which takes its place once all is on the disk.

    Until then, and if the block raises, whatever was at `path` stays as it was and nothing is left beside it. A link is
    followed; the file gets the mode that the umask gives. Of two programs that write the same path, the later one's
    file stays.

    Raises:
        OutputError: as `writing` does.
    """
    target = Path(os.path.realpath(path))
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    if target.exists() and not target.is_file():
        raise OutputError(f"{path} cannot be written: it is {'a folder' if target.is_dir() else 'no plain file'}")
    with writing(path, remedy):
        target.parent.mkdir(parents=True, exist_ok=True)
        part.touch(exist_ok=False)
        mode = stat.S_IMODE(part.stat().st_mode)  # safetensors writes files for their owner alone
    try:
        with writing(path, remedy, only=part):
            yield part
            part.chmod(mode)
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _system_error(error: BaseException | None) -> OSError | SafetensorError | None:
    """The system's own error: PyTorch raises one of its own over it, to which the first is the context."""
    while error is not None and not isinstance(error, (OSError, SafetensorError)):
        error = error.__context__
    return error


def _is_full(error: OSError | SafetensorError) -> bool:
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    told = any(re.search(rf"os error {code}\b", str(error)) for code in codes)  # safetensors gives no number
    return told or getattr(error, "errno", None) in codes
