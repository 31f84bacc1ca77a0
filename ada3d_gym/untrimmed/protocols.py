"""What environments and agents of clip selection share: looks at places of a video, and policies that choose them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Look:
    """What B looks at places of videos show; every array has length B.

    Attributes:
        features: float32 (B, D), of the masked 3D network, averaged over the frames that its mask keeps.
        scores: float32 (B, C), class probabilities of that clip alone.
        macs: int64, multiply-accumulates of the selection network and the masked 3D network for that clip.
        frames, stages: int64, how many the clip's mask keeps.
    """

    features: NDArray[np.float32]
    scores: NDArray[np.float32]
    macs: NDArray[np.int64]
    frames: NDArray[np.int64]
    stages: NDArray[np.int64]


class VideoLooks(Protocol):
    """Videos by number, in `[0, len)`, each with evenly spread places where a clip can be looked at.

    Attributes:
        places: P, places of each video, from its first clip (0) to its last (P - 1).
        class_names: C names.
        features: D, the width of a look's features.
        memory_shape: (M, E): M frames, evenly spread over the whole video, with E features each.
        memory_macs: multiply-accumulates of the memory of one video.
        whole_macs: multiply-accumulates of one clip with everything kept, for shares.
    """

    places: int
    class_names: tuple[str, ...]
    features: int
    memory_shape: tuple[int, int]
    memory_macs: int
    whole_macs: int

    def __len__(self) -> int: ...
    def at(self, videos: NDArray[np.int64], places: NDArray[np.int64]) -> Look:
        """Looks (B,) at places (B,) of videos (B,); computed once, and kept."""

    def memory(self, videos: NDArray[np.int64]) -> NDArray[np.float32]:
        """(B, M, E): what the whole videos look like, in a few small frames."""

    def labels(self, videos: NDArray[np.int64]) -> NDArray[np.int64]:
        """First label of each video, (B,)."""

    def targets(self, videos: NDArray[np.int64]) -> NDArray[np.bool_]:
        """All labels of each video, (B, C)."""


@runtime_checkable
class FileLooks(Protocol):
    """What looks have besides, if their videos are files that people can look at."""

    def paths(self, videos: NDArray[np.int64]) -> NDArray[np.object_]:
        """Path of each video, (B,) strings."""

    def pictures(self, video: int) -> NDArray[np.uint8]:
        """The frames of a video's memory, (M, H, W, 3) RGB."""

    def close(self) -> None:
        """Stops decoding; the next call starts it again."""


@dataclass(frozen=True)
class Looked:
    """What a policy has made of B videos.

    Attributes:
        scores: float32 (B, C), its final class probabilities.
        places: int64 (B, K), where it looked, in order; -1 after the last look.
        macs: int64 (B,), of all looks, of the memory where the policy reads it, and of the policy's own network.
    """

    scores: NDArray[np.float32]
    places: NDArray[np.int64]
    macs: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Clips looked at, (B,)."""
        return np.asarray((self.places >= 0).sum(1), np.int64)


class LookPolicy(Protocol):
    """Something that looks at videos until it knows."""

    def look(self, looks: VideoLooks, videos: NDArray[np.int64]) -> Looked: ...


def nearest_place(position: NDArray[np.floating], places: int) -> NDArray[np.int64]:
    """Places (B,) int64 of positions (B,) in [0, 1], 0 being a video's first clip and 1 its last."""
    return np.asarray(np.rint(np.clip(position, 0, 1) * (places - 1)), np.int64)
