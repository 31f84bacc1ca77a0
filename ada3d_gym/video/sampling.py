"""Which frames of a video make up a clip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def clip_frames(video_frames: int, num_frames: int, stride: int, view: int, views: int) -> NDArray[np.int64]:
    """Frame numbers (num_frames,) of one of `views` clips whose starts are spread evenly over the video.

    A video shorter than a clip is padded with its last frame. One view is the middle of the video.
    """
    span = (num_frames - 1) * stride + 1
    room = max(0, video_frames - span)
    start = room // 2 if views == 1 else room * view // (views - 1)
    return np.minimum(start + stride * np.arange(num_frames), video_frames - 1)
