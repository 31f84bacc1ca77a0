"""Looks at the training, validation and test videos of Table 2."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.errors import InputError
from ada3d_gym.experiments.paper.table2_options import Table2Options
from ada3d_gym.fingerprints import of_weights
from ada3d_gym.protocols import FallibleSource
from ada3d_gym.untrimmed.building import build_looks
from ada3d_gym.untrimmed.looks import ClipLooks
from ada3d_gym.untrimmed.masks import Selected
from ada3d_gym.untrimmed.protocols import Look, VideoLooks
from ada3d_gym.video.records import VideoError

HELD_OUT = 5  # of a set without validation videos, each so-manieth of the training videos is one

Ids = NDArray[np.int64]


class Part:
    """Some videos of others' looks, numbered anew.

    Args:
        looks: all.
        chosen: numbers of those that are in the part.
    """

    def __init__(self, looks: VideoLooks, chosen: Ids):
        self._looks, self._chosen = looks, chosen
        self.places, self.class_names, self.features = looks.places, looks.class_names, looks.features
        self.memory_shape, self.memory_macs = looks.memory_shape, looks.memory_macs
        self.whole_macs = looks.whole_macs

    def __len__(self) -> int:
        return len(self._chosen)

    def at(self, videos: Ids, places: Ids) -> Look:
        return self._looks.at(self._chosen[videos], places)

    def memory(self, videos: Ids) -> NDArray[np.float32]:
        return self._looks.memory(self._chosen[videos])

    def labels(self, videos: Ids) -> Ids:
        return self._looks.labels(self._chosen[videos])

    def targets(self, videos: Ids) -> NDArray[np.bool_]:
        return self._looks.targets(self._chosen[videos])

    def usable(self, ids: Ids) -> Ids:
        """With the next good ones of the part in the place of bad ones."""
        bad = set(self.undecodable(np.arange(len(self))))
        good = np.array([each for each in range(len(self)) if each not in bad], np.int64)
        return good[np.searchsorted(good, ids) % len(good)]

    def undecodable(self, ids: Ids) -> dict[int, VideoError]:
        looks = self._looks
        if not isinstance(looks, FallibleSource):
            return {}
        bad = looks.undecodable(self._chosen[ids])
        return {
            number: bad[video]
            for number, video in zip(ids.tolist(), self._chosen[ids].tolist(), strict=True)
            if video in bad
        }


class Splits:
    """All three, each built and filled when it is first asked for.

    The public sets have no validation videos of their own (their "val" is what is tested on): every fifth training
    video is taken for that, and none of them is trained on. The networks below have seen them, though.
    """

    def __init__(self, options: Table2Options):
        self.options = options

    def __reduce__(self) -> Any:
        return _opened, (self.options,)

    def fill(self) -> None:
        """Looks at all videos now, so that processes beside this one find it done."""
        _ = self.train, self.val, self.test

    @cached_property
    def train(self) -> VideoLooks:
        looks = self._whole_train
        return looks if self.options.embedded else Part(looks, _held_out(len(looks), False))

    @cached_property
    def val(self) -> VideoLooks:
        if self.options.embedded:
            return self._built("val")
        return Part(self._whole_train, _held_out(len(self._whole_train), True))

    @cached_property
    def test(self) -> VideoLooks:
        return self._built("test")

    @cached_property
    def networks(self) -> dict[str, str]:
        """Fingerprints of what looks: results of other networks are others."""
        looks = self._whole_train
        policy = looks.policy
        selection = of_weights(policy.selection.state_dict()) if isinstance(policy, Selected) else "keeps everything"
        return {"classifier": of_weights(looks.classifier.network.state_dict()), "selection": selection}

    @cached_property
    def _whole_train(self) -> ClipLooks:
        return self._built("train")

    def _built(self, split: str) -> ClipLooks:
        options = self.options
        folder = options.folder.parent / "looks"
        looks = build_looks(
            **options.building, split=split, device=options.device, folder=folder, workers=options.workers
        )
        if (most := max(options.clips)) > looks.places:
            raise InputError(f"clips={most}: the videos have {looks.places} places; give --places {most} or more")
        looks.fill()
        return looks


@cache
def _opened(options: Table2Options) -> Splits:
    """In another process, once for all of its runs."""
    return Splits(options)


def _held_out(videos: int, held_out: bool) -> Ids:
    numbers = np.arange(videos)
    return np.flatnonzero((numbers % HELD_OUT == HELD_OUT - 1) == held_out)
