"""From video files to the clips of a data set: those of one video at a time, as a sampler cuts them out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ada3d_gym.video.ahead import Outcome
from ada3d_gym.video.decoders.packets import Packets
from ada3d_gym.video.decoders.video import Video, check_file
from ada3d_gym.video.records import VideoError, VideoRecord, scaled_size
from ada3d_gym.video.sampling import ClipSampler

Known = tuple[bool | None, int, float, bytes]  # seekable, frames, rate, packets, as in a record


class ClipDecoder:
    """Decodes clips by their ids, `video * views + view`; several threads may do so at once.

    Args:
        records: the videos.
        sampler: which frames and which square of them a clip shows.
        remedy: what a user can do about a bad file.
    """

    def __init__(self, records: Sequence[VideoRecord], sampler: ClipSampler, remedy: str):
        self._records, self._sampler, self._remedy = records, sampler, remedy
        self._known: dict[Path, Known] = {}  # found out for records that do not say

    def open(self, record: VideoRecord, size: tuple[int, int] | None = None) -> Video:
        """The video of a record, whose frames are scaled to (width, height) where a size is given.

        Raises:
            VideoError: for a file that is missing, damaged, or another than the record says.
        """
        check_file(record, self._remedy)
        said = record.seekable, record.frames, record.rate, record.packets
        seekable, count, rate, packed = self._known.get(record.path, said)
        try:
            video = Video(record.source, size, seekable, count, rate, Packets.unpack(packed) if packed else None)
        except VideoError as error:
            raise VideoError(error.path, error.problem, self._remedy) from error
        if not packed and (seekable is None or video.packets):
            packed = video.packets.pack() if video.packets else b""
            self._known[record.path] = video.seekable, len(video), video.rate, packed
        if record.frames and len(video) != record.frames:
            problem = f"has {len(video)} frames instead of the {record.frames} of its index"
            raise VideoError(record.path, problem, self._remedy)
        return video

    def decode(self, ids: Sequence[int]) -> dict[int, Outcome]:
        """Clips of one video; frames that clips share are decoded once."""
        record = self._records[ids[0] // self._sampler.views]
        places = [divmod(clip, self._sampler.views) for clip in ids]
        scales = [self._sampler.scale(*place) for place in places]
        if len(set(scales)) > 1:  # each by its own, so that a clip looks the same whichever it is decoded with
            groups = [[clip for clip, its in zip(ids, scales, strict=True) if its == scale] for scale in set(scales)]
            return {clip: outcome for group in groups for clip, outcome in self.decode(group).items()}
        video = self.open(record, scaled_size(record, scales[0]))
        numbers = [self._sampler.frame_numbers(*place, len(video), video.rate) for place in places]
        wanted, where = np.unique(np.concatenate(numbers), return_inverse=True)
        try:
            frames = video.read(wanted)
        except VideoError as error:
            if len(ids) > 1:  # some of them may be good
                return {clip: outcome for each in ids for clip, outcome in self.decode([each]).items()}
            return {ids[0]: VideoError(error.path, error.problem, self._remedy)}
        rows = where.reshape(len(ids), self._sampler.num_frames)
        shown = (torch.from_numpy(frames[row]).permute(0, 3, 1, 2) for row in rows)
        squares = (self._sampler.square(each, *place) for each, place in zip(shown, places, strict=True))
        last = torch.channels_last  # as they are: only what is cut off goes
        return {clip: square.contiguous(memory_format=last).numpy() for clip, square in zip(ids, squares, strict=True)}
