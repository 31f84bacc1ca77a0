"""Which frames of a batch of clips are computed, in which order, and which of them are neighbours in time.

All of it is worked out on the host from the masks. Nothing then waits for the device, whatever the masks are: what the
network needs there is copied at once.
"""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ada3d_gym.errors import InputError
from ada3d_gym.networks.spans import Span
from ada3d_gym.networks.transfer import all_to_device, to_device

REACH = 2  # frames that kernels of up to five look back, whose pairs go to a GPU with everything else


class Segment(NamedTuple):
    """Packed frames start to stop: clips of `length` frames each, or frames by themselves where it is 1."""

    start: int
    stop: int
    length: int


def by_length(u: NDArray[np.bool_], v: NDArray[np.bool_]) -> NDArray[np.int64]:
    """An order of clips (B,) in which few neighbours differ in the number of frames that a stage looks at together.

    The first stage, whose convolution takes one call for each such number, has at most T of them. The clips that agree
    there are in the best order for the next stage, and so on.

    Args:
        u: frame masks (B, T).
        v: stage masks (B, K).
    """
    counts = u.sum(1)
    return np.lexsort((counts, *_together(counts, v).T[::-1]))


def _together(counts: NDArray[np.int64], v: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many frames each stage looks at together (B, K): those that a clip keeps, or 1."""
    return np.where(v & (counts > 1)[:, None], counts[:, None], 1)


class Packing:
    """Which frame of which clip each packed frame is, and who its neighbours are.

    Clips are packed in the order of `by_length`; the frames of a clip lie together, in their order in time.

    Args:
        u: frame masks (B, T) bool, best on the CPU: from a GPU they are fetched, which waits for it.
        v: stage masks (B, K) bool, likewise.
        dummies: frames of no clip that come last, as one more clip, with pairs of their own in each stage: more than
            `REACH`, or none. No number of frames or pairs is then 0 or 1, where `torch.compile` makes code of its own.

    Attributes:
        kept: (N,) int64 positions of the packed frames in the flattened (B * T) frames.
        clip: (N,) int64 clip of each packed frame.
        counts: (B,) int64 kept frames of each clip, in the order of the masks.

    These are on the device of the clips, once they are packed; before, on the CPU.
    """

    def __init__(self, u: Tensor, v: Tensor, dummies: int = 0):
        bits = torch.cat([u, v], 1).cpu().numpy()  # one copy, where they are elsewhere
        frames, stages = bits[:, : u.shape[1]], bits[:, u.shape[1] :]
        order, counts = by_length(frames, stages), frames.sum(1)
        row, moment = frames[order].nonzero()
        self._clip, self._v, self._dummies = order[row], stages, dummies
        self._source = places_among_kept(frames)[self._clip, moment]  # of packed frames among those kept, clip by clip
        self._counts, self._looked = counts[order], _together(counts, stages)[order]
        self._segments: dict[int, list[Segment]] = {}
        self._pairs: dict[tuple[int, int], Tensor] = {}
        self._device = torch.device("cpu")
        kept = self._clip * u.shape[1] + moment
        if dummies:
            kept, self._source = (np.append(each, [0] * dummies) for each in (kept, self._source))
            self._clip, counts = np.append(self._clip, [len(u)] * dummies), np.append(counts, dummies)
            self._v = np.append(stages, np.zeros_like(stages[:1]), axis=0)
            self._counts = np.append(self._counts, dummies)
            self._looked = np.append(self._looked, np.ones_like(self._looked[:1]), axis=0)
        self.kept, self.clip, self.counts = (torch.from_numpy(each) for each in (kept, self._clip, counts))

    def pairs(self, stage: int, distance: int) -> Tensor:
        """Packed frames (P,) whose neighbour `distance` later exists in a clip with `stage` (0 to K - 1) on."""
        key = stage, distance
        if key not in self._pairs:
            self._pairs[key] = to_device(self._find_pairs(stage, distance), self._device)
        return self._pairs[key]

    def _find_pairs(self, stage: int, distance: int) -> NDArray[np.int64]:
        later, earlier = self._clip[distance:], self._clip[:-distance]
        pairs = np.flatnonzero((later == earlier) & self._v[later, stage])
        return np.append(pairs, [len(later) - 1] * 2) if self._dummies else pairs

    def segments(self, stage: int) -> list[Segment]:
        """All packed frames in order, cut where the number of frames that a stage looks at together changes."""
        if stage not in self._segments:
            segments, start = [], 0
            clips = zip(self._counts.tolist(), self._looked[:, stage].tolist(), strict=True)
            for length, alike in groupby(clips, lambda clip: clip[1]):
                stop = start + sum(count for count, _ in alike)
                if stop > start:
                    segments.append(Segment(start, stop, length))
                start = stop
            self._segments[stage] = segments
        return self._segments[stage]

    def spans(self, stage: int) -> list[Span]:
        """(start, stop) in the packed frames of each clip that has `stage` on and keeps two frames or more."""
        return [
            (start, start + segment.length)
            for segment in self.segments(stage)
            if segment.length > 1
            for start in range(segment.start, segment.stop, segment.length)
        ]

    def pack(self, clips: Tensor) -> Tensor:
        """(B, T, C, H, W) to the kept frames (N, C, H, W); those frames alone, clip by clip, are put in order."""
        self._move(clips.device)
        if clips.dim() == 5:
            return clips.flatten(0, 1)[self.kept]
        if len(clips) != (frames := len(self._source) - self._dummies):
            raise InputError(f"got {len(clips)} packed frames, and the masks keep {frames}")
        if not frames and self._dummies:
            return clips.new_zeros(self._dummies, *clips.shape[1:])
        if np.array_equal(self._source, np.arange(len(self._source))):
            return clips
        return take_rows(clips, to_device(self._source, self._device))

    def _move(self, device: torch.device) -> None:
        """Takes to the device what the network will ask for there."""
        if device == self._device and not self._dummies:  # a CPU finds pairs as they are asked for
            return
        self._device = device
        keys = [(stage, distance) for stage in range(self._v.shape[1]) for distance in range(1, REACH + 1)]
        indices = [each.numpy() for each in (self.kept, self.clip, self.counts)]
        there = all_to_device(indices + [self._find_pairs(*key) for key in keys], device)
        self.kept, self.clip, self.counts = there[:3]
        self._pairs = dict(zip(keys, there[3:], strict=True))

    def mean(self, frames: Tensor) -> Tensor:
        """Mean over each clip's frames: (N, D) to (B, D); zeros for a clip that keeps none."""
        wide = frames.to(torch.promote_types(frames.dtype, torch.float32))
        total = wide.new_zeros(len(self.counts), frames.shape[1]).index_add(0, self.clip, wide)
        return (total / self.counts.clamp(min=1)[:, None]).to(frames.dtype)


def places_among_kept(u: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Of kept frames (B, T), the position among those kept, clip by clip."""
    return u.cumsum().reshape(u.shape) - 1


def take_rows(frames: Tensor, index: Tensor) -> Tensor:
    """`frames[index]` of (N, C, H, W), in the layout of the frames."""
    if frames.is_contiguous():
        return frames.index_select(0, index)
    return take_frames(frames, index)


def take_frames(frames: Tensor, index: Tensor) -> Tensor:
    """`frames[index]`, channels last in and out (plain indexing of such a batch loses its layout)."""
    _, channels, height, width = frames.shape
    rows = frames.permute(0, 2, 3, 1).reshape(len(frames), -1).index_select(0, index)
    return rows.view(len(index), height, width, channels).permute(0, 3, 1, 2)
