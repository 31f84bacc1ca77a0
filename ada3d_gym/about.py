"""What a bug report should say: versions, devices, decoders, the cache folder, and what comes with the package.

`python -m ada3d_gym` prints it, with nothing installed but the library itself; so does `ada3d about`.
"""

from __future__ import annotations

import os
import platform
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires, version
from json import dumps
from pathlib import Path
from typing import Any, TypeAlias

from ada3d_gym import __version__
from ada3d_gym.registration import ENVIRONMENTS, UNTRIMMED

Facts: TypeAlias = dict[str, Any]

DISTRIBUTION = "ada3d-gym"
PACKAGE = Path(__file__).parent
FRAMES = 4  # of the video that decoders are tried on
SIDE = 32  # of its frames, in pixels


def about(ids: bool = False, json: bool = False) -> None:
    """Prints what a bug report should say: versions, devices, decoders, cache folder, ids, weights.

    Args:
        ids: print the registered ids instead, one a line.
        json: print JSON.
    """
    if ids:
        names = [*ENVIRONMENTS, *UNTRIMMED]
        print(dumps(names, indent=2) if json else "\n".join(names))
    elif json:
        print(dumps({title: _told(tell) for title, tell in SECTIONS.items()}, indent=2))
    else:
        for title, tell in SECTIONS.items():  # each as soon as it is known: PyTorch takes seconds to load
            print(_text(title, _told(tell)), flush=True)


def system() -> Facts:
    """The package, Python and the computer."""
    import joblib  # of scikit-learn: it counts the cores that affinity and containers leave

    return {
        "ada3d-gym": __version__,
        "installed in": _path(PACKAGE),
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "platform": platform.platform(),
        "usable CPU cores": joblib.cpu_count(),
    }


def packages() -> Facts:
    """Versions of what the library needs (None: missing), and of what its extras add as far as it is installed."""
    try:
        needed = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return {DISTRIBUTION: None}  # a folder on the path: what it needs is written down nowhere
    found: Facts = {}
    for requirement in needed:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        installed = _version(name)
        if name != DISTRIBUTION and (installed or ";" not in requirement):  # ";": of an extra, or of some platforms
            found[name] = installed
    return found


def decoders() -> Facts:
    """What comes of writing a short video and reading it with each decoder."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        told = {"writing (PyAV, x264)": _outcome("av", lambda: _write(path))}
        if path.exists():
            told["PyAV"] = _outcome("av", lambda: _read_with_pyav(path))
            told["decord"] = _outcome("decord", lambda: _read_with_decord(path))
    return told


def cache() -> Facts:
    """The cache folder: where it is, how much lies in it, and whether it can be written."""
    from ada3d_gym.video.motionshapes.files import cache_folder

    folder = cache_folder()
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    writable = os.access(nearest, os.W_OK | os.X_OK)
    return {"folder": _path(folder), "exists": folder.exists(), "MiB": _mebibytes(folder), "writable": writable}


def shipped() -> Facts:
    """What the package brings: how many ids, and which weights and outcome tables."""
    return {
        "environment ids": len(ENVIRONMENTS) + len(UNTRIMMED),
        "weights": sorted(path.stem for path in PACKAGE.glob("weights/*.safetensors")),
        "outcome tables": sorted(path.stem for path in PACKAGE.glob("tables/*.safetensors")),
    }


def devices() -> Facts:
    """Where PyTorch can compute."""
    import torch

    facts: Facts = {"threads": torch.get_num_threads(), "CUDA that it is built for": torch.version.cuda}
    for number in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(number)
        facts[f"cuda:{number}"] = f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB"
    return facts | {"mps": "available"} if torch.backends.mps.is_available() else facts


SECTIONS: dict[str, Callable[[], Facts]] = {
    "system": system,
    "packages": packages,
    "decoders": decoders,
    "cache": cache,
    "shipped": shipped,
    "PyTorch": devices,
}
"""What is told, in order; what takes longest comes last."""


def _told(tell: Callable[[], Facts]) -> Facts:
    """A section, or what it fails with: the report is made where something does not work."""
    try:
        return tell()
    except Exception as error:
        return {"problem": _failure(error)}


def _failure(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


def _text(title: str, facts: Facts) -> str:
    width = max(map(len, facts), default=0)
    return "\n".join([title, *(f"  {name:<{width}}  {_shown(value)}" for name, value in facts.items())])


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _path(path: Path) -> str:
    """As it may be shown to others: without the name of a home folder."""
    home = Path.home()
    return str(Path("~") / path.relative_to(home)) if path.is_relative_to(home) else str(path)


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _outcome(distribution: str, attempt: Callable[[], None]) -> str:
    """A decoder's version, and "works" or the first line of what it fails with."""
    installed = _version(distribution)
    if installed is None:
        return "not installed"
    try:
        attempt()
    except Exception as error:
        return f"{installed}, fails: {_failure(error)}"
    return f"{installed}, works"


def _write(path: Path) -> None:
    import numpy as np

    from ada3d_gym.video.motionshapes.files import FPS, write_video

    write_video(path, np.zeros((FRAMES, SIDE, SIDE, 3), np.uint8), FPS)


def _read_with_pyav(path: Path) -> None:
    from ada3d_gym.video.decoders.pyav_reader import PyAVReader

    PyAVReader(path).read([0, FRAMES - 1])


def _read_with_decord(path: Path) -> None:
    from ada3d_gym.video.decoders.decord_reader import DecordReader

    DecordReader(path).read([0, FRAMES - 1])


def _mebibytes(folder: Path) -> float:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # another process has removed it meanwhile
                total += os.lstat(os.path.join(parent, name)).st_size
    return round(total / 2**20, 1)
