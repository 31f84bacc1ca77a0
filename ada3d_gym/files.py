"""Files are written whole or not at all, and what keeps one from being written is said in one line."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from ada3d_gym.errors import Ada3DError


class OutputError(Ada3DError, OSError):
    """Somewhere that cannot be written; the message names it, the cause and what to do."""


@contextmanager
def writing(path: Path, remedy: str = "choose another --output") -> Iterator[None]:
    """What goes wrong while a file is written, or one in a folder, becomes one line that names it.

    Args:
        path: of the file or folder.
        remedy: what to do where there can be no such file.

    Raises:
        OutputError: where the disk is full, the place is no folder or may not be written, and the like.
    """
    try:
        yield
    except Ada3DError:
        raise
    except (OSError, SafetensorError, RuntimeError) as error:
        cause = _system_error(error)
        if cause is None:
            raise
        why = getattr(cause, "strerror", None) or str(cause)
        advice = "free some room, and the same command goes on" if _is_full(cause) else remedy
        raise OutputError(f"{path} cannot be written ({why}): {advice}") from error


@contextmanager
def replacing(path: Path, remedy: str = "choose another place") -> Iterator[Path]:
    """Yields another path to write to, which takes the place of `path` once all is on the disk.

    An interruption or a full disk leaves `path` as it was, and nothing beside it.

    Raises:
        OutputError: as `writing` does.
    """
    part = path.with_name(path.name + ".part")
    with writing(path, remedy):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.touch()
            mode = stat.S_IMODE(part.stat().st_mode)  # the umask's; safetensors writes files for their owner alone
            yield part
            part.chmod(mode)
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            with suppress(OSError):  # where there can be no such file, there is none
                part.unlink(missing_ok=True)
            raise


def _system_error(error: BaseException | None) -> OSError | SafetensorError | None:
    """The system's own error: PyTorch raises one of its own over it, to which the first is the context."""
    while error is not None and not isinstance(error, (OSError, SafetensorError)):
        error = error.__context__
    return error


def _is_full(error: OSError | SafetensorError) -> bool:
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    told = any(re.search(rf"os error {code}\b", str(error)) for code in codes)  # safetensors gives no number
    return told or getattr(error, "errno", None) in codes
