"""What a video file is, found out in a process of its own: a decoder that crashes or hangs takes nothing else down."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, cast

from ada3d_gym.video.decoding import Video
from ada3d_gym.video.records import NumberingError, TruncatedError, VideoError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

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


Look = Callable[[Path, bool], Probe]


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
    look: Look = probe,
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
    workers = max(1, min(workers, 1 + len(paths) // 50))  # a process takes seconds to start
    children = [_Child(look) for _ in range(workers)]
    idle: SimpleQueue[_Child] = SimpleQueue()
    for child in children:
        idle.put(child)

    def ask(path: Path) -> Probe:
        child = idle.get()
        try:
            return child.ask(path, thorough, timeout)
        finally:
            idle.put(child)

    pool = ThreadPoolExecutor(workers)  # a thread waits for each child
    window: deque[tuple[Path, Future[Probe]]] = deque()
    try:
        for path in paths:
            window.append((path, pool.submit(ask, path)))
            if len(window) >= 16 * workers:
                first, future = window.popleft()
                yield first, future.result()
        for first, future in window:
            yield first, future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in children:
            child.stop()
        pool.shutdown()


class _Child:
    """A process that looks at one file at a time, so that it is known which one it died of."""

    def __init__(self, look: Look):
        self._look = look
        self._process: BaseProcess | None = None
        self._stopped = False

    def ask(self, path: Path, thorough: bool, timeout: float) -> Probe:
        try:
            connection = self._connect()
            connection.send((path, thorough))
            if connection.poll(timeout):
                return cast(Probe, connection.recv())
        except (EOFError, OSError):  # its end of the pipe is closed
            code = self._end(5.0)
            return Probe("crashed", f"the decoder died of it (exit code {code})")
        self._end()
        return Probe("hung", f"was not probed within {timeout:g} s")

    def stop(self) -> None:
        """Ends the process, whatever it is at."""
        self._stopped = True
        self._end()

    def _connect(self) -> Connection[Any, Any]:
        if self._stopped:
            raise EOFError
        if self._process is None:
            context = multiprocessing.get_context("spawn")  # a decoder must not survive a fork
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs, self._look), daemon=True)
            self._process.start()
            theirs.close()
            try:
                self._connection.recv()  # the decoders are imported: a file's time begins to run
            except EOFError as error:
                raise RuntimeError("a process to probe videos in ends before it has begun") from error
        return self._connection

    def _end(self, grace: float = 0.0) -> int | None:
        """Kills the process after `grace` seconds; returns its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.join(grace)
        process.kill()
        process.join(5.0)  # no longer: one that waits for a dead disk cannot be killed
        return process.exitcode


def _serve(connection: Connection[Any, Any], look: Look) -> None:
    with suppress(EOFError, BrokenPipeError):  # the parent is gone, or wants no more
        connection.send(None)
        while True:
            connection.send(look(*connection.recv()))
