"""Files written whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from ada3d_gym.errors import Ada3DError


class OutputError(Ada3DError, OSError):
    """A file that cannot be written; what was there before is as it was."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields another path to write to, which takes the place of `path` once all is on the disk.

    An interruption or a full disk leaves `path` as it was, and nothing beside it.

    Raises:
        OutputError: where the file cannot be written, naming it and the cause.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        mode = stat.S_IMODE(part.stat().st_mode)  # as the umask has it; safetensors writes files for the owner alone
        yield part
        part.chmod(mode)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        _remove(part)
        if cause := _cause_of(error):
            raise OutputError(
                f"{path}: cannot be written ({cause}); what was there before is as it was. Free some space or name "
                "another place, then start again"
            ) from error
        raise


def _remove(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError:  # a folder that is a file, or read-only: there is nothing to remove
        return


def _cause_of(error: BaseException) -> str:
    """Why writing failed, or "" for an error of another kind; PyTorch hides the system's error behind its own."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError):
            return seen.strerror or str(seen)
        if isinstance(seen, SafetensorError):
            return str(seen)
        seen = seen.__cause__ or seen.__context__
    return ""
