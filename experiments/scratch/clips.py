"""The clips of a training from scratch: decoded once, with some room around them, and videos for validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ada3d_gym import launched, parallel
from ada3d_gym.datasets import EMBEDDED_SETS, DataError, find_root, load_index
from ada3d_gym.experiments.runs import Run
from ada3d_gym.experiments.scratch.holding_out import held_out
from ada3d_gym.experiments.scratch.options import ScratchOptions
from ada3d_gym.video.clips import VideoClips
from ada3d_gym.video.motionshapes.files import cache_folder
from ada3d_gym.video.records import VideoRecord
from ada3d_gym.video.sampling import ClipSampler


class Divided(NamedTuple):
    """Videos to train on, and those to validate by, none where nothing is held out.

    Attributes:
        origin: "val list", "held out" or "none", of those to validate by.
    """

    train: Sequence[VideoRecord]
    validation: Sequence[VideoRecord]
    origin: str

    def __str__(self) -> str:
        videos, total = len(self.validation), len(self.validation) + len(self.train)
        if self.origin == "held out":
            return (
                f"validation: {videos} of the {total} training videos, some of each class, since there is no val list "
                "of other videos than the training and the test list's; classifier and trunk do not learn from them"
            )
        return f"validation: {f'the {videos} videos of the val list' if videos else 'none'}"


def divided(run: Run, source: VideoClips, share: float) -> Divided:
    """The training videos of a run, and others to validate by, which are never those of its test split.

    What is held out is kept from the classifier and the selection network's trunk. The policy learns from it with the
    rest: what masks are paid on videos that the classifier has not learned is what they are paid in a test.

    Args:
        run: whose val list is used, where it has one that is not the test list too.
        source: of the training split.
        share: of the training videos that are held out otherwise; also where all of the val list is trained on.
    """
    if _has_val(run):
        trained = {record.path for record in source.records}
        others = [record for record in run.clips("val").records if record.path not in trained]
        if others:
            return Divided(source.records, others, "val list")
    kept = held_out(source.records, share)
    train, validation = ([source.records[row] for row in np.flatnonzero(rows).tolist()] for rows in (~kept, kept))
    return Divided(train, validation, "held out" if validation else "none")


def _has_val(run: Run) -> bool:
    dataset = run.settings["dataset"]
    if dataset in EMBEDDED_SETS:
        return True
    root = find_root(dataset, run.settings.get("data_root"))
    try:
        val, test = ({record.path for record in load_index(dataset, root, split)} for split in ("val", "test"))
    except DataError:
        return False
    return val.isdisjoint(test)


def training_clips(
    source: VideoClips, records: Sequence[VideoRecord], size: int, options: ScratchOptions
) -> tuple[VideoClips, tuple[float, float]]:
    """Clips to cut random squares of `size` from, and how much these may be enlarged against the whole clip.

    They are the centre square of the frames at evenly spread starts, and stay decoded in the cache folder. Where one a
    video takes more than `bank_bytes`, they are the source's own random clips, decoded every time.
    """
    sampler = source.sampler
    side = _side(records, size, options.zoom[1])
    each = sampler.num_frames * 3 * side**2
    views = min(options.views, _starts(records, sampler), options.bank_bytes // (each * len(records)))
    if views < 1:
        least, most = (round(length * size / sampler.size) for length in sampler.short_side or (sampler.size,) * 2)
        return source.but(records=records, sampler=replace(sampler, size=size, short_side=(least, most))), (1.0, 1.0)
    clips = evenly_spread(source, records, side, views, options.bank_bytes)
    keep_decoded(clips, f"decoding {len(records)} training videos")
    return clips, options.zoom


def evenly_spread(source: VideoClips, records: Sequence[VideoRecord], side: int, views: int, room: int) -> VideoClips:
    """The centre squares of videos as a test shows them, `views` clips each, kept decoded in `room` bytes of disk."""
    sampler = replace(source.sampler, random=False, flip=False, views=views, size=side, short_side=(side, side))
    return source.but(
        records=records,
        sampler=sampler,
        observation_size=side,
        cache=cache_folder() / "clips",
        cache_bytes=room,
    )


def keep_decoded(clips: VideoClips, description: str) -> None:
    """Decodes clips into the cache; processes on one machine share its videos out."""
    number, count = launched.place_on_machine()
    clips.fill_cache(description, slice(number, None, count))
    parallel.wait()


def _side(records: Sequence[VideoRecord], size: int, zoom: float) -> int:
    """Of the decoded squares: not larger than the videos are, where that is known."""
    largest = max(min(record.width, record.height) for record in records)
    side = round(size * zoom)
    return min(side, max(size, largest)) if largest else side


def _starts(records: Sequence[VideoRecord], sampler: ClipSampler) -> int:
    """How many different starts a clip has in the longest video, as far as that is known."""
    if sampler.sampling == "whole":
        return 1
    longest = max(record.frames for record in records)
    span = (sampler.num_frames - 1) * sampler.stride + 1 if sampler.sampling == "strided" else 1
    return max(1, longest - span + 1) if longest else 2**31
