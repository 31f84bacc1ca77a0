"""Decoding on threads before a clip is asked for, so that it overlaps the network."""

from __future__ import annotations

import os
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.profiling import section
from ada3d_gym.video.records import VideoError

Clip = NDArray[np.uint8]
Outcome = Clip | VideoError
Decode = Callable[[Sequence[int]], Mapping[int, Outcome]]


class DecodeAhead:
    """The latest clips, decoded or being decoded.

    Clips that are asked for in batches, each batch expected together with the one after it, are decoded once each where
    one batch fits, and all of them ahead where two do: what comes later makes room for what is needed sooner.

    Args:
        decode: clips by id, all of one video; runs on a thread. A `VideoError` stands for a clip that is bad; one that
            is raised stands for all of them.
        video_of: the video of a clip id; clips of one video are decoded together.
        workers: threads. The decoder lets go of Python's lock, so they run beside the network.
        capacity: clips that are kept or under way at the most. Those that are not expected go first, the oldest before
            the others; then those that are needed last.
    """

    _futures: OrderedDict[int, Future[Mapping[int, Outcome]]]  # what may go first stands first
    _pool: ThreadPoolExecutor
    _finalizer: weakref.finalize[Any, Any]

    def __init__(self, decode: Decode, video_of: Callable[[int], int], workers: int, capacity: int):
        self._decode, self._video_of = decode, video_of
        self._workers, self._capacity = workers, max(1, capacity)
        self._process = -1
        self._start()

    def expect(self, ids: Iterable[int]) -> None:
        """Starts to decode clips that will be asked for soon, in the order of need, as many as there is room for."""
        self._start()
        wanted = list(dict.fromkeys(ids))[: self._capacity]
        self._schedule(wanted)
        for index in reversed(wanted):
            self._futures.move_to_end(index)

    def get(self, ids: Sequence[int]) -> list[Clip]:
        """Clips, waiting for those that are not there yet. Raises what is wrong with the first bad one."""
        outcomes = self.outcomes(ids)
        clips = []
        for index in ids:
            outcome = outcomes[index]
            if isinstance(outcome, VideoError):
                raise outcome
            clips.append(outcome)
        return clips

    def outcomes(self, ids: Sequence[int]) -> dict[int, Outcome]:
        """Each clip by id, or what is wrong with it, waiting for those that are not there yet."""
        self._start()
        unique = list(dict.fromkeys(ids))
        outcomes: dict[int, Outcome] = {}
        for start in range(0, len(unique), self._capacity):
            part = unique[start : start + self._capacity]
            self._schedule(part)
            futures = {index: self._futures[index] for index in part}
            for index, future in futures.items():
                try:
                    with section("decoding"):
                        outcomes[index] = future.result()[index]
                except BaseException as error:
                    self._forget(future)
                    if not isinstance(error, VideoError):
                        raise
                    outcomes[index] = error
                if isinstance(outcomes[index], VideoError):
                    self._futures.pop(index, None)  # tried again when it is asked for again
        return outcomes

    def close(self) -> None:
        """Drops what is not begun and stops the threads; the next call starts afresh."""
        self._finalizer.detach()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._process = -1

    def __getstate__(self) -> dict[str, Any]:
        """A copy in another process has threads of its own."""
        return {key: value for key, value in vars(self).items() if key not in ("_futures", "_pool", "_finalizer")} | {
            "_process": -1
        }

    def _work(self, ids: Sequence[int]) -> Mapping[int, Outcome]:
        """Runs on a thread."""
        with section("decoder", len(ids)):
            return self._decode(ids)

    def _forget(self, failed: Future[Mapping[int, Outcome]]) -> None:
        """Drops clips that failed together."""
        for index in [each for each, future in self._futures.items() if future is failed]:
            del self._futures[index]

    def _schedule(self, ids: list[int]) -> None:
        """Starts to decode up to `capacity` clips, and lets go of others, from the front of `_futures`, for them."""
        groups: dict[int, list[int]] = {}
        for index in ids:
            if index in self._futures:
                self._futures.move_to_end(index)
            else:
                groups.setdefault(self._video_of(index), []).append(index)
        for group in groups.values():
            future = self._pool.submit(self._work, group)
            self._futures.update(dict.fromkeys(group, future))
        while len(self._futures) > self._capacity:
            _, future = self._futures.popitem(last=False)
            if future not in self._futures.values():
                future.cancel()

    def _start(self) -> None:
        """Threads do not survive a fork, and a decoder must not: a child process has its own."""
        if self._process == os.getpid():
            return
        if self._process != -1:
            self._finalizer.detach()  # it would wait for threads of the parent
        self._process = os.getpid()
        self._futures = OrderedDict()
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="decode")
        # Without waiting: garbage is collected at any moment in any thread, one that is just starting under
        # `threading`'s lock among them, and joining a thread there would wait for that lock for ever.
        self._finalizer = weakref.finalize(self, self._pool.shutdown, wait=False, cancel_futures=True)
