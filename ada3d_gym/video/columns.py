"""What is known of many videos at once: columns of their records, filled in as videos are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.video.records import VideoRecord

Videos = NDArray[np.int64]
Value = TypeVar("Value", bound=np.generic)


class RecordColumns:
    """Paths, families and labels of videos by number.

    Args:
        records: of all videos; a record is read once, when its video is first asked for.
    """

    def __init__(self, records: Sequence[VideoRecord]):
        self._records = records
        count = len(records)
        self._read = np.zeros(count, np.bool_)
        self._paths, self._families = np.empty(count, object), np.empty(count, object)
        self._labels, self._several = np.empty(count, np.int64), np.zeros(count, np.bool_)

    def paths(self, videos: Videos) -> NDArray[np.object_]:
        """(B,) of videos (B,), as strings."""
        return self._of(self._paths, videos)

    def families(self, videos: Videos) -> NDArray[np.object_]:
        """(B,) strings, "" where not known."""
        return self._of(self._families, videos)

    def labels(self, videos: Videos) -> NDArray[np.int64]:
        """(B,) the first label of each.

        Raises:
            IndexError: for a video without any.
        """
        labels = self._of(self._labels, videos)
        if (labels < 0).any():
            raise IndexError(f"{self._of(self._paths, videos)[labels < 0][0]} has no label")
        return labels

    def targets(self, videos: Videos, classes: int) -> NDArray[np.bool_]:
        """(B, C) bool, all labels of each."""
        first, several = self._of(self._labels, videos), self._several[videos]
        targets = np.zeros((len(videos), classes), np.bool_)
        labelled = np.flatnonzero(first >= 0)
        targets[labelled, first[labelled]] = True
        for row in np.flatnonzero(several).tolist():
            targets[row, list(self._records[int(videos[row])].labels)] = True
        return targets

    def _of(self, column: NDArray[Value], videos: Videos) -> NDArray[Value]:
        if not self._read[videos].all():
            for video in np.unique(videos[~self._read[videos]]).tolist():
                record = self._records[video]
                self._paths[video], self._families[video] = str(record.path), record.family
                self._labels[video] = record.labels[0] if record.labels else -1
                self._several[video] = len(record.labels) > 1
                self._read[video] = True
        return column[videos]
