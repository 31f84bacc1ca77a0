"""What tells the clips of a table from other clips, wherever their files lie."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.video.clips import VideoClips

OF_RANDOM_CLIPS = ("seed", "flip", "short_side")


def sampling_of(clips: VideoClips) -> dict[str, Any]:
    """Which frames and squares of its videos clips show: the fields of their sampler that matter, as JSON has them."""
    shaping = {key: value for key, value in vars(clips.sampler).items() if value is not None}
    if not clips.sampler.random:
        shaping = {key: value for key, value in shaping.items() if key not in OF_RANDOM_CLIPS}
    sampling: dict[str, Any] = json.loads(json.dumps(shaping))
    return sampling


def video_digests(clips: VideoClips) -> NDArray[np.uint8]:
    """(videos, 16) the start of the SHA-256 of each video's name, labels, frames, bytes and checksum."""
    digests = b"".join(
        hashlib.sha256(
            json.dumps([record.path.name, record.labels, record.frames, record.size, record.sha256]).encode()
        ).digest()[:16]
        for record in clips.records
    )
    return np.frombuffer(digests, np.uint8).reshape(-1, 16)


def clips_sha256(sampling: dict[str, Any], digests: NDArray[np.uint8]) -> str:
    """SHA-256 of a list of clips."""
    text = json.dumps(sampling, sort_keys=True).encode()
    return hashlib.sha256(text + digests.tobytes()).hexdigest()
