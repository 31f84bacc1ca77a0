"""Clips of a list of videos: what the bandit draws, shows and classifies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.progress import Progress
from ada3d_gym.video.ahead import DecodeAhead
from ada3d_gym.video.bad_clips import BadClips
from ada3d_gym.video.cache import ClipCache
from ada3d_gym.video.clip_decoder import ClipDecoder
from ada3d_gym.video.columns import RecordColumns
from ada3d_gym.video.records import REMEDY, VideoError, VideoRecord
from ada3d_gym.video.sampling import ClipSampler
from ada3d_gym.video.squares import Squares
from ada3d_gym.workers import default_workers

Ids = NDArray[np.int64]
AHEAD_BYTES = 2**30


class VideoClips:
    """Clips of videos, decoded when asked for or shortly before.

    A clip id is `video * views + view`. Ids, not clips, are what travels.

    Args:
        records: the videos.
        class_names: C names; a record's labels index into them.
        sampler: which frames and which square of them a clip shows.
        observation_size: side of the square the policy sees, in pixels.
        cache: folder for decoded clips, or None to decode every time. Where it cannot be written, what it holds is
            used and the rest decoded every time; see `ClipCache`.
        cache_bytes: disk that the cache may take; clips beyond it are decoded every time.
        key: what, besides the arguments here, shapes the decoded pixels (data set, version, split).
        remedy: what a user can do about a bad file of this set.
        max_bad_share: share of the videos that may turn out to hold clips that cannot be decoded, in [0, 1], for a
            training to go on without those clips; see `usable` and `BadClips`. None raises for the first such clip.
        workers: threads that decode; by default `ada3d_gym.workers.default_workers()`.
        ahead_bytes: memory for decoded clips: those under way, and those whose observation has just been shown. Two
            batches should fit, for the next to be decoded while one is worked on. Where one does not, clips are decoded
            several times.
        dataset: its name, by which weights that ship for it are found, or "".
    """

    def __init__(
        self,
        records: Sequence[VideoRecord],
        class_names: Sequence[str],
        sampler: ClipSampler,
        *,
        observation_size: int,
        cache: Path | None = None,
        cache_bytes: int | None = None,
        key: dict[str, Any] | None = None,
        remedy: str = REMEDY,
        max_bad_share: float | None = None,
        workers: int | None = None,
        ahead_bytes: int = AHEAD_BYTES,
        dataset: str = "",
    ):
        self._given: dict[str, Any] = {
            "records": records,
            "class_names": class_names,
            "sampler": sampler,
            "observation_size": observation_size,
            "cache": cache,
            "cache_bytes": cache_bytes,
            "key": key,
            "remedy": remedy,
            "max_bad_share": max_bad_share,
            "workers": workers,
            "ahead_bytes": ahead_bytes,
            "dataset": dataset,
        }
        self.records, self._columns = records, RecordColumns(records)
        self.class_names, self.dataset = tuple(class_names), dataset
        self.sampler = sampler
        self.num_frames, self.views, self.size = sampler.num_frames, sampler.views, sampler.size
        self.observation_size = observation_size
        self._decoder = ClipDecoder(records, sampler, remedy)
        self._bad: BadClips | None = None
        if max_bad_share is not None:
            self._bad = BadClips(len(records), self.views, max_bad_share, sampler.seed)
        self._decodable: NDArray[np.bool_] | None = None  # (clips,), where somebody has found out before
        shape = (self.num_frames, 3, self.size, self.size)
        self._cache: ClipCache | None = None
        if cache is not None:
            videos = [(record.path.name, record.sha256 or _fingerprint(record)) for record in records]
            self._cache = ClipCache(
                cache, len(self), shape, {**(key or {}), **_shaping(sampler), "videos": videos}, cache_bytes
            )
        self._ahead = DecodeAhead(
            self._decoder.decode, self._video_of, workers or default_workers(), ahead_bytes // int(np.prod(shape))
        )

    def but(self, **changed: Any) -> VideoClips:
        """Other clips of these videos, or of some: with these arguments changed, such as `records` or `sampler`."""
        return VideoClips(**{**self._given, **changed})

    def __len__(self) -> int:
        """Number of clips: videos times views."""
        return len(self.records) * self.views

    def record(self, clip: int) -> VideoRecord:
        return self.records[clip // self.views]

    def labels(self, ids: Ids) -> NDArray[np.int64]:
        """First label of each clip, (B,) int64."""
        return self._columns.labels(ids // self.views)

    def targets(self, ids: Ids) -> NDArray[np.bool_]:
        """All labels of each clip, (B, C) bool."""
        return self._columns.targets(ids // self.views, len(self.class_names))

    def paths(self, ids: Ids) -> NDArray[np.object_]:
        """Path of each clip's video, (B,) strings."""
        return self._columns.paths(ids // self.views)

    def families(self, ids: Ids) -> NDArray[np.object_]:
        """Family of each clip's class, (B,) strings, "" where not known."""
        return self._columns.families(ids // self.views)

    def frame_numbers(self, clip: int, video_frames: int, rate: float = 0.0) -> NDArray[np.int64]:
        """Numbers (T,) of the video frames that make up a clip."""
        return self.sampler.frame_numbers(*divmod(clip, self.views), video_frames, rate)

    def visible_frames(self, ids: Ids) -> NDArray[np.bool_]:
        """Which frames of each clip show its class, (B, T) bool; all, where a record does not say."""
        visible = np.empty((len(ids), self.num_frames), np.bool_)
        for row, clip in zip(visible, ids.tolist(), strict=True):
            record = self.record(clip)
            row[:] = record.visible is None or record.shows_class(self.frame_numbers(clip, record.frames, record.rate))
        return visible

    def expect(self, ids: Ids) -> None:
        """Starts to decode clips that will be asked for soon."""
        self._ahead.expect(self._unknown(np.asarray(ids, np.int64)))

    def usable(self, ids: Ids) -> Ids:
        """The same ids, with others in the place of those whose clips cannot be decoded: what to train on.

        The same clip always has the same stand-in: another view of its video, or a view of one of the next videos.
        Clips are decoded to find out, and kept for when they are asked for. Without `max_bad_share` nothing is looked
        at: `clips` will raise.

        Raises:
            VideoError: where more videos hold bad clips than `max_bad_share` allows, or all that are tried do.
        """
        bad = self.undecodable(ids)
        if not bad or self._bad is None:
            return ids
        self._bad.check()
        stand_ins = {clip: self._stand_in(clip, self._bad) for clip in bad}
        self._bad.check()  # stand-ins may have been bad
        return np.array([stand_ins.get(clip, clip) for clip in ids.tolist()], np.int64)

    def undecodable(self, ids: Ids) -> dict[int, VideoError]:
        """Those of the clips that cannot be decoded, with what is wrong: what to judge without. See `usable`."""
        if self._bad is None:
            return {}
        ids = np.asarray(ids, np.int64)
        self._decoded(self._unknown(ids if self._decodable is None else ids[~self._decodable[ids]]))
        errors = self._bad.errors
        return {clip: errors[clip] for clip in ids.tolist() if clip in errors}

    def trust(self, ids: Ids) -> None:
        """Takes it from who has found out before that these clips can be decoded, so that nothing is to find out."""
        self._decodable = np.zeros(len(self), np.bool_)
        self._decodable[ids] = True

    def clips(self, ids: Ids) -> NDArray[np.uint8]:
        """Decoded clips (B, T, 3, size, size) uint8 RGB, as the classifier sees them.

        Raises:
            VideoError: naming the first bad file.
        """
        ids = np.asarray(ids, np.int64)
        if self._cache is not None and not len(self._cache.missing(ids)):
            return self._cache.get(ids)
        return self.squares(ids).clips()

    def observations(self, ids: Ids) -> NDArray[np.uint8]:
        """The same clips at the policy's resolution, (B, T, 3, observation_size, observation_size) uint8."""
        if self.observation_size == self.size:
            return self.clips(ids)
        return self.squares(ids).observations(self.observation_size)

    def squares(self, ids: Ids) -> Squares:
        """The same clips, of which only what is asked for is copied: observations, or the frames that masks keep.

        Raises:
            VideoError: naming the first bad file.
        """
        ids = np.asarray(ids, np.int64)
        missing = self._uncached(ids)
        decoded = dict(zip(missing, self._ahead.get(missing), strict=True))
        if self._cache is not None:
            for clip, pixels in decoded.items():
                self._cache.put(clip, pixels)
            there = [clip for clip in dict.fromkeys(ids.tolist()) if clip not in decoded]
            decoded |= zip(there, self._cache.get(np.array(there, np.int64)), strict=True)
        return Squares([torch.from_numpy(decoded[clip]) for clip in ids.tolist()])

    def fill_cache(self, description: str, videos: slice = slice(None)) -> None:
        """Decodes every clip of some videos that the cache has room for, with a progress bar, unless that is done.

        Stops where nothing more can be written, which the cache logs. With `max_bad_share`, clips that cannot be
        decoded are left out; else the first one raises `VideoError`.
        """
        if self._cache is None:
            return
        clips = np.arange(self._cache.room)
        missing = self._cache.missing(clips[np.isin(clips // self.views, np.arange(len(self.records))[videos])])
        groups = np.split(missing, np.flatnonzero(np.diff(missing // self.views)) + 1) if len(missing) else []
        with Progress(len(missing), description, quiet=not len(missing)) as shown:
            for number, group in enumerate(groups):
                self._ahead.expect(np.concatenate(groups[number : number + 8]).tolist())
                self._decoded(group.tolist())
                shown.add(len(group))
                if not self._cache.writable:
                    break

    def full_size(self, clip: int) -> NDArray[np.uint8]:
        """One clip as it is in the file, (T, H, W, 3) uint8, for people to look at."""
        video = self._decoder.open(self.record(clip))
        return video.read(self.frame_numbers(clip, len(video), video.rate))

    def close(self) -> None:
        """Stops decoding."""
        self._ahead.close()

    def _video_of(self, clip: int) -> int:
        return clip // self.views

    def _uncached(self, ids: Ids) -> list[int]:
        """Those of the clips that are not on disk, each once, in the order of `ids`."""
        missing = ids if self._cache is None else ids[np.isin(ids, self._cache.missing(ids))]
        return list(dict.fromkeys(missing.tolist()))

    def _unknown(self, ids: Ids) -> list[int]:
        """Clips that must be decoded before it is known what they show, or that they show nothing."""
        errors = {} if self._bad is None else self._bad.errors
        return [clip for clip in self._uncached(ids) if clip not in errors]

    def _decoded(self, ids: list[int]) -> None:
        """Decodes clips into the cache and notes those that are bad, or raises for the first where none may be."""
        for clip, outcome in self._ahead.outcomes(ids).items():
            if isinstance(outcome, VideoError):
                if self._bad is None:
                    raise outcome
                self._bad.add(clip, outcome)
            elif self._cache is not None:
                self._cache.put(clip, outcome)

    def _stand_in(self, clip: int, bad: BadClips) -> int:
        tried = 0
        for other in bad.stand_ins(clip):
            tried += 1
            if not self.undecodable(np.array([other])):
                return other
        error = bad.errors[clip]
        problem = f"{error.problem}, and none of {tried} clips tried in its place can be decoded either"
        raise VideoError(error.path, problem, error.remedy)


def _shaping(sampler: ClipSampler) -> dict[str, Any]:
    return {key: value for key, value in vars(sampler).items() if value is not None}


def _fingerprint(record: VideoRecord) -> str:
    """What tells a file without a checksum from another of the same name, as it was indexed: so many files take long to
    look up, over a network above all."""
    path = record.path.absolute()
    if record.changed:
        return f"{path} {record.size} {record.changed}"
    try:
        status = path.stat()
    except OSError:
        return str(path)
    return f"{path} {status.st_size} {status.st_mtime_ns}"
