"""Clips that cannot be decoded: remembered, named once a file, and replaced where one is wanted in their place.

How a bad clip is met, wherever it is met:

* `VideoClips.clips` and `observations` give the clips that they are asked for and nothing else: they raise.
* Whoever trains asks `VideoClips.usable(ids)` first (`ClipBandit.draw`, `agents.progress.epoch_batches`), and goes on
  with the ids that come back. A bad clip's observation, labels, masks and reward are then all those of its stand-in.
* Whoever judges asks `VideoClips.undecodable(ids)`, leaves those out and says so (`ada3d_gym.evaluation`).

The stand-in is a function of the bad clip, so a resumed training meets the same one, and one of several processes need
not tell the others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np

from ada3d_gym.video.records import VideoError

FEW = 3  # bad videos that are borne whatever their share, in sets of at least twice as many
OTHER_VIEWS, OTHER_VIDEOS = 3, 17  # tried for one bad clip; when all fail, it is not the clip that is bad

_log = logging.getLogger(__name__)
_named: set[str] = set()  # files, by this process: a run has several sources of the same ones


class BadClips:
    """The bad clips that one source has met.

    Args:
        videos, views: of the source.
        max_share: share of the videos that may hold bad clips, in [0, 1]. `FEW` may in any case, or half of a very
            small set; with 0, none may.
        seed: of the stand-ins.
    """

    def __init__(self, videos: int, views: int, max_share: float, seed: int):
        self._videos, self._views, self._max_share, self._seed = videos, views, max_share, seed
        self.errors: dict[int, VideoError] = {}
        """What is wrong with each bad clip, by id."""
        self._files: dict[int, str] = {}  # by video

    def add(self, clip: int, error: VideoError) -> None:
        """Notes a bad clip, and logs it where it is the first of its file in this process."""
        self.errors[clip] = VideoError(error.path, error.problem, error.remedy)  # without a traceback and its arrays
        video, view = divmod(clip, self._views)
        self._files.setdefault(video, str(error.path))
        if str(error.path) not in _named:
            _named.add(str(error.path))
            _log.warning(
                "%s: %s; clip %d (view %d) is left out, as are others of this file that cannot be decoded; %s",
                error.path,
                error.problem,
                clip,
                view,
                error.remedy,
            )

    def check(self) -> None:
        """Raises `VideoError` where more videos hold bad clips than may."""
        borne = max(int(self._max_share * self._videos), min(FEW, -(-self._videos // 2))) if self._max_share else 0
        if len(self._files) <= borne:
            return
        *others, last = self._files.values()
        named = ", ".join(others[:5]) + (", …" if len(others) > 5 else "")
        error = next(error for error in self.errors.values() if str(error.path) == last)
        raise VideoError(
            last,
            f"{error.problem}. Clips of {len(self._files)} of {self._videos} videos cannot be decoded, and "
            f"max_bad_share={self._max_share:g} allows {borne}" + (f" (the others are {named})" if others else ""),
            f"{error.remedy}, find all bad files with 'ada3d index-videos … --thorough', which leaves them out, "
            "or allow more with max_bad_share",
        )

    def stand_ins(self, clip: int) -> Iterator[int]:
        """Clips to try in the place of a bad one: other views of its video, then a view of each of the next videos."""
        video, view = divmod(clip, self._views)
        rng = np.random.default_rng((self._seed, 3, video, view))  # 0 to 2 are the sampler's
        if self._views > 1:
            others = rng.choice(self._views - 1, min(OTHER_VIEWS, self._views - 1), replace=False)
            yield from (video * self._views + int(other + (other >= view)) for other in others)
        for step in range(1, min(OTHER_VIDEOS + 1, self._videos)):
            yield (video + step) % self._videos * self._views + int(rng.integers(self._views))
