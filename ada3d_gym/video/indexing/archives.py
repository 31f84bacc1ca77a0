"""Where the videos of an index lie that are parts of other files, such as shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.video.sources import Part


@dataclass(frozen=True)
class Archives:
    """Files with several videos in each.

    Attributes:
        folder: that they are in: that of the index, so that both can be moved.
        names: of the files.
        totals: (files,) int64, their bytes.
        numbers, offsets: (videos,) int64, which file has a video, and where in it the video begins.
    """

    folder: Path
    names: Sequence[str]
    totals: NDArray[np.int64]
    numbers: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def part(self, video: int, name: Path, size: int) -> Part:
        """Where a video is.

        Args:
            video: its number.
            name: that it has there.
            size: its bytes.
        """
        number = int(self.numbers[video])
        archive = self.folder / self.names[number]
        return Part(archive / name, archive, int(self.offsets[video]), size, int(self.totals[number]))

    def columns(self) -> dict[str, Any]:
        """What an index's file keeps of them."""
        names = np.frombuffer("\0".join(self.names).encode(), np.uint8)
        return {"archives": names, "totals": self.totals, "numbers": self.numbers, "offsets": self.offsets}

    @classmethod
    def of(cls, columns: Mapping[str, NDArray[Any]], folder: Path) -> Archives | None:
        """What `columns` has kept, or None where the videos have files of their own.

        Raises:
            ValueError: where the columns do not fit together.
        """
        if "archives" not in columns:
            return None
        names = columns["archives"].tobytes().decode().split("\0")
        totals, numbers, offsets = columns["totals"], columns["numbers"], columns["offsets"]
        fit = len(names) == len(totals) and len(numbers) == len(offsets)
        if not fit or not (numbers < len(names)).all():
            raise ValueError("its shards do not fit together")
        return cls(folder, names, totals, numbers, offsets)
