"""What a video file is, found out in a process of its own: a decoder that crashes or hangs takes nothing else down."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, TimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ada3d_gym.video.decoding import Video
from ada3d_gym.video.records import NumberingError, TruncatedError, VideoError

Cause = Literal["", "missing", "unreadable", "truncated", "no key frame", "damaged", "crashed", "hung"]


@dataclass(frozen=True)
class Probe:
    """What was found.

    Attributes:
        cause: "" for a good file, or the kind of problem.
        detail: the problem in words.
        frames, width, height, rate, size, seekable: as in `VideoRecord`.
    """

    cause: Cause = ""
    detail: str = ""
    frames: int = 0
    width: int = 0
    height: int = 0
    rate: float = 0.0
    size: int = 0
    seekable: bool = False


def probe(path: Path, thorough: bool = False) -> Probe:
    """Opens a file and decodes its first, middle and last frame.

    Args:
        path: of the file.
        thorough: decode all of it, with FFmpeg's error detection, to find damage inside.
    """
    if not path.is_file():
        return Probe("missing", "is not there" if not path.exists() else "is a folder or no file")
    try:
        size = path.stat().st_size
        video = Video(path)
    except NumberingError as error:
        return Probe("no key frame", error.problem)
    except TruncatedError as error:
        return Probe("truncated", error.problem)
    except (VideoError, OSError) as error:
        return Probe("unreadable", getattr(error, "problem", str(error)))
    try:
        count = len(video)
        frames = video.read([0, count // 2, count - 1])
        if thorough and (detail := _damage(path)):
            return Probe("damaged", detail)
    except VideoError as error:
        return Probe("truncated", error.problem)
    return Probe("", "", count, frames.shape[2], frames.shape[1], video.rate, size, video.seekable)


def _damage(path: Path) -> str:
    """What FFmpeg's decoder complains of in a file, "" for nothing."""
    import av
    import av.error

    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
            for frame in container.decode(stream):
                if getattr(frame, "is_corrupt", False):
                    return f"frame at {frame.time} s is corrupt"
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        return f"decoding stops ({getattr(error, 'strerror', None) or error})"
    return ""


def probe_all(
    paths: Sequence[Path],
    *,
    workers: int = 2,
    timeout: float = 30.0,
    thorough: bool = False,
    look: Callable[[Path, bool], Probe] = probe,
) -> Iterator[tuple[Path, Probe]]:
    """Probes files in child processes and yields each when it is known, in order.

    A file that a child dies of is "crashed", one that takes longer than `timeout` seconds "hung"; the rest go on.

    Args:
        paths: of the files.
        workers: processes.
        timeout: seconds for one file.
        thorough: see `probe`.
        look: what a child does with a file.
    """
    from pebble import ProcessExpired, ProcessPool

    context = multiprocessing.get_context("spawn")  # a decoder must not survive a fork
    workers = min(workers, 1 + len(paths) // 50)  # a process takes a second to start
    with ProcessPool(workers, context=context, initializer=_ready) as pool:
        window: list[tuple[Path, Any]] = []
        try:
            for path in paths:
                window.append((path, pool.schedule(look, args=(path, thorough), timeout=timeout)))
                if len(window) >= 16 * workers:
                    yield _collect(*window.pop(0), ProcessExpired, timeout)
            while window:
                yield _collect(*window.pop(0), ProcessExpired, timeout)
        finally:
            if window:
                pool.stop()  # type: ignore[no-untyped-call]


def _ready() -> None:
    """Has a child import the decoders before a file's time begins to run."""


def _collect(path: Path, future: Any, expired: type[Exception], timeout: float) -> tuple[Path, Probe]:
    try:
        return path, future.result()
    except (TimeoutError, CancelledError):
        return path, Probe("hung", f"was not probed within {timeout:g} s")
    except expired as error:
        code = getattr(error, "exitcode", "?")
        return path, Probe("crashed", f"the decoder died of it (exit code {code})")
