"""The clips of one video, read as those of a data set are (`ada3d_gym.video.clips.VideoClips`)."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ada3d_gym.prediction.inputs import FrameArray, Nothing, Video
from ada3d_gym.profiling import timed
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.decoders.packets import Packets
from ada3d_gym.video.indexing.probe import Probe, probe
from ada3d_gym.video.records import VideoError, VideoRecord, shown
from ada3d_gym.video.sampling import ClipSampler
from ada3d_gym.video.transforms import resize_and_crop


@dataclass(frozen=True)
class VideoPixels:
    """Those clips of a video that could be read.

    Attributes:
        name: of the video.
        clips: (V, T, 3, size, size) uint8 RGB, what the classifier sees.
        views: which of the video's clips these are, (V,).
        numbers: (V, T) of their frames in the video.
        times: (V, T) seconds of these from the video's first frame; None where nobody knows.
        seconds: that it took to find out what the file is, to decode and to scale.
        error: what is wrong with the video, or with the first clip that could not be read; "" for nothing.
    """

    name: str
    clips: NDArray[np.uint8]
    views: NDArray[np.int64]
    numbers: NDArray[np.int64]
    times: NDArray[np.float64] | None = None
    seconds: float = 0.0
    error: str = ""

    @timed("preparing")
    def observations(self, side: int) -> NDArray[np.uint8]:
        """(V, T, 3, side, side) uint8, what a policy sees."""
        observations: NDArray[np.uint8] = resize_and_crop(torch.from_numpy(self.clips), side).numpy()
        return observations


def read_video(
    video: Video, sampler: ClipSampler, rate: float, *, whole_frames: bool, found: Probe | None = None
) -> VideoPixels:
    """All clips of a video; what is wrong with it is in the result.

    Args:
        video: a file or an array.
        sampler: of evenly spread clips.
        rate: frames a second of an array; 0 where it is not known.
        whole_frames: decode frames at their own size and scale them then, instead of scaling while they are decoded.
        found: what a file is, where that is known.
    """
    begin = time.perf_counter() - (found.seconds if found else 0.0)
    try:
        if isinstance(video, Nothing):
            read = _none(_name(video), sampler, video.problem)
        elif isinstance(video, FrameArray):
            read = _from_array(video, sampler, rate)
        else:
            read = _from_file(video, found or probe(video), sampler, whole_frames)
    except VideoError as error:
        read = _none(_name(video), sampler, error.problem)
    except Exception as error:  # one file must not stop all the others
        read = _none(_name(video), sampler, f"reading it fails ({type(error).__name__}: {error})")
    return replace(read, seconds=time.perf_counter() - begin)


def _from_array(video: FrameArray, sampler: ClipSampler, rate: float) -> VideoPixels:
    numbers = _numbers(sampler, len(video.frames), rate)
    wanted, where = np.unique(numbers, return_inverse=True)
    frames = torch.from_numpy(video.frames[wanted]).permute(0, 3, 1, 2)
    rows = torch.from_numpy(where).view(numbers.shape)
    clips = np.stack([sampler.square(frames[row], 0, view).numpy() for view, row in enumerate(rows)])
    return VideoPixels(video.name, clips, np.arange(sampler.views), numbers, numbers / rate if rate > 0 else None)


def _from_file(video: Path, found: Probe, sampler: ClipSampler, whole_frames: bool) -> VideoPixels:
    if found.cause:
        return _none(shown(video), sampler, found.detail)
    width, height = (0, 0) if whole_frames else (found.width, found.height)
    record = VideoRecord(
        video, (), found.frames, "", found.size, width, height, found.rate, found.seekable, packets=found.packets
    )
    source = VideoClips([record], (), sampler, observation_size=sampler.size, workers=1)
    try:
        clips, views, error = _clips(source)
    finally:
        source.close()
    numbers = _numbers(sampler, found.frames, found.rate)[views]
    known = Packets.unpack(found.packets).seconds() if found.packets else None
    times = None
    if known is not None and len(known) == found.frames:
        times = known[numbers]
    elif found.rate > 0:
        times = numbers / found.rate
    return VideoPixels(shown(video), clips, views, numbers, times, error=error)


def _clips(source: VideoClips) -> tuple[NDArray[np.uint8], NDArray[np.int64], str]:
    """All clips of a source, the numbers of those that can be decoded, and what is wrong with the others."""
    views = np.arange(len(source))
    try:
        return source.clips(views), views, ""
    except VideoError as error:
        problem = error.problem
    good, clips = [], []
    for view in views:
        try:
            clips.append(source.clips(np.array([view]))[0])
            good.append(view)
        except VideoError:
            continue
    shape = (0, source.num_frames, 3, source.size, source.size)
    return np.stack(clips) if clips else np.empty(shape, np.uint8), np.array(good, np.int64), problem


def _numbers(sampler: ClipSampler, frames: int, rate: float) -> NDArray[np.int64]:
    """(views, T)."""
    return np.stack([sampler.frame_numbers(0, view, frames, rate) for view in range(sampler.views)])


def _none(name: str, sampler: ClipSampler, problem: str) -> VideoPixels:
    frames, side = sampler.num_frames, sampler.size
    empty = np.empty((0, frames), np.int64)
    return VideoPixels(name, np.empty((0, frames, 3, side, side), np.uint8), empty[:, 0], empty, error=problem)


def _name(video: Video) -> str:
    return shown(video.name if isinstance(video, FrameArray | Nothing) else video)
