"""What a bandit is made of: a source of clips and a classifier that obeys masks."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.rewards import Answers, Reward
from ada3d_gym.video.records import VideoError, VideoRecord

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]


class ClipSource(Protocol):
    """Clips by id, in `[0, len)`; `ada3d_gym.video.clips.VideoClips` is the one for video files."""

    num_frames: int
    views: int
    size: int
    observation_size: int
    class_names: tuple[str, ...]

    def __len__(self) -> int: ...
    def expect(self, ids: Ids) -> None:
        """These clips will be asked for soon."""

    def clips(self, ids: Ids) -> NDArray[np.uint8]:
        """(B, T, 3, size, size), what the classifier sees."""

    def observations(self, ids: Ids) -> NDArray[np.uint8]:
        """(B, T, 3, observation_size, observation_size), what the policy sees."""

    def labels(self, ids: Ids) -> NDArray[np.int64]: ...
    def targets(self, ids: Ids) -> NDArray[np.bool_]: ...
    def visible_frames(self, ids: Ids) -> Mask: ...
    def record(self, clip: int) -> VideoRecord: ...
    def full_size(self, clip: int) -> NDArray[np.uint8]: ...
    def close(self) -> None:
        """Stops decoding; the next call starts it again."""


@runtime_checkable
class FallibleSource(Protocol):
    """What a source has besides, if some of its clips may turn out to be bad; see `ada3d_gym.video.bad_clips`."""

    def usable(self, ids: Ids) -> Ids:
        """The same ids, with others in the place of bad ones; always the same others."""

    def undecodable(self, ids: Ids) -> dict[int, VideoError]:
        """The bad ones, with what is wrong with them."""


@runtime_checkable
class NamedSource(Protocol):
    """What a source has besides, if it knows paths and families of many clips at once; else its records are asked."""

    def paths(self, ids: Ids) -> NDArray[np.object_]: ...
    def families(self, ids: Ids) -> NDArray[np.object_]: ...


def usable(source: ClipSource, ids: Ids) -> Ids:
    """Clip ids to train on in the place of `ids`: without those of clips that cannot be decoded."""
    return source.usable(ids) if isinstance(source, FallibleSource) else ids


def one_view_each(source: ClipSource, rng: np.random.Generator) -> Ids:
    """Ids of one random view of every video, in random order. Whether they can be decoded is for `usable` to say."""
    videos = rng.permutation(len(source) // source.views)
    return np.asarray(videos * source.views + rng.integers(source.views, size=len(videos)), np.int64)


class Classifier(Protocol):
    """A video classifier that obeys masks."""

    stage_names: tuple[str, ...]

    def scores(self, clips: NDArray[np.uint8], u: Mask, v: Mask) -> NDArray[np.float32]:
        """Class probabilities (B, C); zeros for a clip that keeps no frame."""

    def macs(self, u: Mask, v: Mask) -> NDArray[np.int64]:
        """Multiply-accumulates (B,) of each clip."""


@runtime_checkable
class SharingClassifier(Protocol):
    """What a classifier has besides, if it takes several masks of one clip without a copy of the clip for each.

    A `Classifier` without it is given `clips[of]`.
    """

    def scores_of(self, clips: NDArray[np.uint8], of: NDArray[np.int64], u: Mask, v: Mask) -> NDArray[np.float32]:
        """The `scores` (B, C) of `clips[of]` under masks u (B, T) and v (B, K), for clips (A, T, 3, H, W)."""


class ClipAnswers(Classifier):
    """A classifier that knows its answers by clip id: it is asked for those, and no clip is decoded or computed.

    One is a subclass of this; `ada3d_gym.outcomes.classifier.TableClassifier` is that for outcome tables.
    """

    @abstractmethod
    def answers(self, ids: Ids, u: Mask, v: Mask) -> Answers:
        """What a reward may look at, of clips (B,) under masks."""

    @abstractmethod
    def best(self, ids: Ids, reward: Reward) -> NDArray[np.float64]:
        """What the best mask of each clip pays (B,), both heads together."""
