"""Clips of a list of videos: what the bandit draws, shows and classifies."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from ada3d_gym.video.cache import ClipCache
from ada3d_gym.video.decoding import Video, check_file
from ada3d_gym.video.records import VideoError, VideoRecord
from ada3d_gym.video.sampling import clip_frames
from ada3d_gym.video.transforms import resize_and_crop


class VideoClips:
    """`views` clips of each video, decoded when asked for and kept in a cache.

    A clip id is `video * views + view`; views start at evenly spread places. Ids, not clips, are what travels.

    Args:
        records: the videos.
        class_names: C names; a record's labels index into them.
        num_frames: T, frames in a clip.
        stride: distance between neighbouring frames of a clip, in video frames.
        views: clips per video.
        size: side of the square the classifier sees, in pixels.
        observation_size: side of the square the policy sees, in pixels.
        cache: folder for decoded clips, or None to decode every time.
        key: what, besides the arguments here, shapes the decoded pixels (data set, version, split).
        remedy: what a user can do about a bad file of this set.
    """

    def __init__(
        self,
        records: Sequence[VideoRecord],
        class_names: Sequence[str],
        *,
        num_frames: int,
        stride: int,
        views: int,
        size: int,
        observation_size: int,
        cache: Path | None = None,
        key: dict[str, Any] | None = None,
        remedy: str = "replace the file or drop it from the list",
    ):
        self.records = list(records)
        self.class_names = tuple(class_names)
        self.num_frames, self.stride, self.views = num_frames, stride, views
        self.size, self.observation_size = size, observation_size
        self.remedy = remedy
        self._labels = np.array([record.labels[0] for record in self.records], np.int64)
        self._targets = np.zeros((len(self.records), len(self.class_names)), np.bool_)
        for row, record in zip(self._targets, self.records, strict=True):
            row[list(record.labels)] = True
        self._cache: ClipCache | None = None
        if cache is not None:
            shape = (num_frames, 3, size, size)
            videos = [(record.path.name, record.sha256 or _fingerprint(record.path)) for record in self.records]
            described = {**(key or {}), "stride": stride, "views": views, "videos": videos}
            self._cache = ClipCache(cache, len(self), shape, described)

    def __len__(self) -> int:
        """Number of clips: videos times views."""
        return len(self.records) * self.views

    def record(self, clip: int) -> VideoRecord:
        return self.records[clip // self.views]

    def labels(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """First label of each clip, (B,) int64."""
        return self._labels[ids // self.views]

    def targets(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """All labels of each clip, (B, C) bool."""
        return self._targets[ids // self.views]

    def frame_numbers(self, clip: int, video_frames: int) -> NDArray[np.int64]:
        """Numbers (T,) of the video frames that make up a clip."""
        return clip_frames(video_frames, self.num_frames, self.stride, clip % self.views, self.views)

    def visible_frames(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which frames of each clip show its class, (B, T) bool; all, where a record does not say."""
        visible = np.ones((len(ids), self.num_frames), np.bool_)
        for row, clip in zip(visible, ids.tolist(), strict=True):
            record = self.record(clip)
            if record.visible is not None:
                numbers = self.frame_numbers(clip, record.frames)
                row[:] = (record.visible[0] <= numbers) & (numbers < record.visible[1])
        return visible

    def clips(self, ids: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Decoded clips (B, T, 3, size, size) uint8 RGB, as the classifier sees them.

        Raises:
            VideoError: naming the first bad file.
        """
        ids = np.asarray(ids, np.int64)
        if self._cache is None:
            decoded = dict(self._decode(np.unique(ids)))
            return np.stack([decoded[i] for i in ids.tolist()])
        missing = self._cache.missing(ids)
        if len(missing):
            for index, clip in self._decode(missing):
                self._cache.put(index, clip)
        return self._cache.get(ids)

    def observations(self, ids: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The same clips at the policy's resolution, (B, T, 3, observation_size, observation_size) uint8."""
        clips = self.clips(ids)
        if self.observation_size == self.size:
            return clips
        return np.asarray(resize_and_crop(torch.from_numpy(clips), self.observation_size).numpy())

    def prefetch(self, description: str) -> None:
        """Decodes every clip into the cache, with a progress bar; nothing to do where that is done already."""
        if self._cache is None:
            return
        missing = self._cache.missing(np.arange(len(self)))
        for index, clip in tqdm(
            self._decode(missing), total=len(missing), desc=description, unit="clip", disable=not len(missing) or None
        ):
            self._cache.put(index, clip)

    def full_size(self, clip: int) -> NDArray[np.uint8]:
        """One clip as it is in the file, (T, H, W, 3) uint8, for people to look at."""
        video = self._open(self.record(clip))
        return video.read(self.frame_numbers(clip, len(video)))

    def _open(self, record: VideoRecord) -> Video:
        check_file(record, self.remedy)
        try:
            return Video(record.path)
        except VideoError as error:
            raise VideoError(error.path, error.problem, self.remedy) from error

    def _decode(self, ids: NDArray[np.int64]) -> Any:
        """Yields (id, clip); each video is opened once, two at a time."""
        videos = np.split(ids, np.flatnonzero(np.diff(ids // self.views)) + 1) if len(ids) else []
        if len(videos) < 4:  # not worth threads
            for group in videos:
                yield from self._decode_video(group)
            return
        with ThreadPoolExecutor(2) as pool:
            try:
                for decoded in pool.map(self._decode_video, videos):
                    yield from decoded
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _decode_video(self, ids: NDArray[np.int64]) -> list[tuple[int, NDArray[np.uint8]]]:
        """All wanted clips of one video; frames that clips share are decoded once."""
        video = self._open(self.record(int(ids[0])))
        numbers = [self.frame_numbers(i, len(video)) for i in ids.tolist()]
        wanted, where = np.unique(np.concatenate(numbers), return_inverse=True)
        frames = torch.from_numpy(video.read(wanted)).permute(0, 3, 1, 2)
        small = resize_and_crop(frames, self.size).numpy()
        clips = small[where].reshape(len(ids), self.num_frames, 3, self.size, self.size)
        return list(zip(ids.tolist(), clips, strict=True))


def _fingerprint(path: Path) -> str:
    """What tells a file without a checksum from another of the same name."""
    try:
        status = path.stat()
    except OSError:
        return str(path.absolute())
    return f"{path.absolute()} {status.st_size} {status.st_mtime_ns}"
