"""What a video file is, found out in a process of its own: a decoder that crashes or hangs takes nothing else down."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Literal

from ada3d_gym.errors import InputError
from ada3d_gym.video.decoders.packets import opened
from ada3d_gym.video.decoders.video import Video
from ada3d_gym.video.indexing.progress import advance, listening
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
        frames, width, height, rate, size, seekable, packets, changed: as in `VideoRecord`.
        seconds: that it took.
    """

    cause: Cause = ""
    detail: str = ""
    frames: int = 0
    width: int = 0
    height: int = 0
    rate: float = 0.0
    size: int = 0
    seekable: bool = False
    packets: bytes = field(default=b"", repr=False)
    changed: int = 0
    seconds: float = field(default=0.0, compare=False)


_PULSE = 0.1  # seconds between two signs of life
_READINGS = 16  # how many times its size a file may be read before reading it is no sign of progress any more

Look = Callable[[Path, bool], Probe]


def probe(path: Path, thorough: bool = False) -> Probe:
    """Opens a file and decodes its first, middle and last frame.

    Args:
        path: of the file.
        thorough: decode all of it, with FFmpeg's error detection, to find damage inside.
    """
    try:
        if not path.is_file():
            return Probe("missing", "is not there" if not path.exists() else "is a folder or no file")
        about = path.stat()
        video = Video(path)
    except NumberingError as error:
        return Probe("no key frame", error.problem)
    except TruncatedError as error:
        return Probe("truncated", error.problem)
    except VideoError as error:
        return Probe("unreadable", error.problem)
    except OSError as error:
        return Probe("unreadable", error.strerror or str(error))
    try:
        count = len(video)
        frames = video.read([0] if video.decoded else [0, count // 2, count - 1])
        if thorough and (detail := _damage(path)):
            return Probe("damaged", detail)
        if path.stat().st_size != about.st_size:
            return Probe("truncated", "grows while it is read; index it again when it is complete")
    except VideoError as error:
        return Probe("truncated", error.problem)
    except OSError as error:
        return Probe("unreadable", error.strerror or str(error))
    packets = video.packets.pack() if video.packets else b""
    height, width = frames.shape[1:3]
    rate, size, changed = video.rate, about.st_size, about.st_mtime_ns
    return Probe("", "", count, width, height, rate, size, video.seekable, packets, changed)


def _damage(path: Path) -> str:
    """What FFmpeg's decoder complains of in a file, "" for nothing."""
    try:
        with opened(path) as (container, stream):
            stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
            for packet in container.demux(stream):
                advance()
                for frame in packet.decode():
                    if frame.is_corrupt:
                        return f"frame at {frame.time} s is corrupt"
    except VideoError as error:
        return error.problem
    return ""


def probe_all(
    paths: Sequence[Path],
    *,
    workers: int = 2,
    timeout: float = 30.0,
    thorough: bool = False,
    look: Look = probe,
) -> Generator[tuple[Path, Probe], None, None]:
    """Probes files in child processes and yields each when it is known, in order.

    A file that a child dies of is "crashed"; one that no packet or frame and no byte is read from in `timeout` seconds
    is "hung"; the rest go on. However long a file takes, it may: `Probe.seconds` says.

    Args:
        paths: of the files.
        workers: processes.
        timeout: seconds without progress.
        thorough: see `probe`.
        look: what a child does with a file.

    Raises:
        InputError: for a timeout that is no positive number.
    """
    if not timeout > 0:
        raise InputError(f"the timeout for probing a video is a positive number of seconds, not {timeout}")
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
        begin = time.monotonic()
        try:
            connection = self._connect()
            connection.send((path, thorough))
            begin, signs = time.monotonic(), _Signs(self._process)
            while time.monotonic() < signs.last + timeout:
                if not connection.poll(min(1.0, timeout)):
                    signs.look()
                elif isinstance(answer := connection.recv(), Probe):
                    return replace(answer, seconds=time.monotonic() - begin)
                else:
                    signs.tell(answer)
        except (EOFError, OSError):  # its end of the pipe is closed
            code = self._end(5.0)
            return Probe("crashed", f"the decoder died of it (exit code {code})")
        self._end()
        problem = f"nothing more was read from it for {timeout:g} s; if its disk is that slow, give a longer --timeout"
        return Probe("hung", problem, seconds=time.monotonic() - begin)

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
            process = context.Process(target=_serve, args=(theirs, self._look), daemon=True)
            process.start()  # if it cannot be, there is nothing to end
            self._process = process
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


class _Signs:
    """When a process last went on with a file: it says so itself, or has read more bytes, which a decoder does that is
    slow to come back."""

    def __init__(self, process: BaseProcess | None):
        self.last = time.monotonic()
        self._counters = Path(f"/proc/{process.pid if process else 0}/io")
        self._begin = self._read = self._bytes()
        self._most = 0

    def tell(self, size: int) -> None:
        """The process goes on with a file of so many bytes, which it looks up: that may take for ever."""
        self.last, self._most = time.monotonic(), _READINGS * size

    def look(self) -> None:
        read = self._bytes()
        if read > self._read and read - self._begin <= self._most:  # it does not read the same again and again
            self.last, self._read = time.monotonic(), read

    def _bytes(self) -> int:
        try:
            return int(self._counters.read_text().split()[1])
        except (OSError, ValueError, IndexError):  # Linux alone has it
            return 0


def _serve(connection: Connection[Any, Any], look: Look) -> None:
    """Answers each (path, thorough) with a Probe, and before that, now and then, with the file's size."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C here too; the parent ends this
    told, size = 0.0, 0

    def tell() -> None:
        nonlocal told
        if time.monotonic() - told > _PULSE:
            told = time.monotonic()
            connection.send(size)

    with suppress(EOFError, BrokenPipeError), listening(tell):  # the parent is gone, or wants no more
        connection.send(None)
        while True:
            path, thorough = connection.recv()
            told, size = 0.0, _size(path)
            tell()
            try:
                found = look(path, thorough)
            except Exception as error:  # one file must not stop all the others
                found = Probe("unreadable", f"looking at it fails ({type(error).__name__}: {error})")
            connection.send(found)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
