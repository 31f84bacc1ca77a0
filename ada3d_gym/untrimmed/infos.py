"""What an environment of clip selection tells, as arrays for a batch; `ada3d_gym.envs.infos.each` splits them."""

from __future__ import annotations

import numpy as np

from ada3d_gym.envs.infos import Infos
from ada3d_gym.untrimmed.core import Episodes, LookingCore
from ada3d_gym.untrimmed.protocols import FileLooks


def video_infos(core: LookingCore, episodes: Episodes) -> Infos:
    """Arrays (B,): video (int64 number), path ("" where there is no file), label (int64), label_name."""
    looks, videos = core.looks, episodes.videos
    paths = looks.paths(videos) if isinstance(looks, FileLooks) else np.full(len(videos), "", object)
    labels = looks.labels(videos)
    names = np.array(looks.class_names, object)
    return {"video": videos.copy(), "path": paths, "label": labels, "label_name": names[labels]}


def reset_infos(core: LookingCore, episodes: Episodes, label: bool) -> Infos:
    """Arrays (B,) of what is told before the first look: video, and all of `video_infos` only where labels are shown;
    paths may say them."""
    return video_infos(core, episodes) if label else {"video": episodes.videos.copy()}


def look_infos(core: LookingCore, episodes: Episodes) -> Infos:
    """Those, and arrays (B,) of what the looks have led to: correct, prediction, place (of the last look), looks,
    macs (so far) and margin."""
    counts = episodes.counts
    return video_infos(core, episodes) | {
        "correct": core.correct(episodes),
        "prediction": episodes.scores.argmax(1),
        "place": episodes.places[np.arange(len(episodes)), np.maximum(counts, 1) - 1],
        "looks": counts,
        "macs": episodes.macs.copy(),
        "margin": core.margin(episodes),
    }
