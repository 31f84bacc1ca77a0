"""What an outcome table says of itself: which clips, which classifier, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ada3d_gym.outcomes.storage import FORMAT


@dataclass(frozen=True)
class Description:
    """What a table is of.

    Attributes:
        dataset, split: of the clips.
        sampling: which frames and squares of the videos they show, as `ada3d_gym.outcomes.identity.sampling_of` says:
            num_frames, views, size in pixels and so on.
        videos: how many.
        network: the classifier's name.
        stage_names, class_names: in order; K and C are their numbers.
        families: the names that the table's `family` counts through.
        dtype: of the classifier's weights and activations.
        classifier_sha256, clips_sha256: of the weights, and of the list of clips.
        command: that makes the table.
        versions: of what it was made with.
        licence: of the table.
        optima: for each stated cost and penalty: "gamma", "cost", the mean reward of the best mask of each clip
            ("oracle"), the number of the best constant mask ("constant"), its mean reward ("constant_reward") and its
            accuracy ("constant_accuracy").
        format: of the file.
    """

    dataset: str
    split: str
    sampling: Mapping[str, Any]
    videos: int
    network: str
    stage_names: tuple[str, ...]
    class_names: tuple[str, ...]
    families: tuple[str, ...]
    dtype: str
    classifier_sha256: str
    clips_sha256: str
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    licence: str = "MIT"
    optima: tuple[Mapping[str, Any], ...] = ()
    format: int = FORMAT

    @property
    def num_frames(self) -> int:
        """T."""
        return int(self.sampling["num_frames"])

    @property
    def views(self) -> int:
        """Clips of a video."""
        return int(self.sampling["views"])
