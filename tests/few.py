"""The embedded data sets with few videos, for code that asks for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ada3d_gym.video.motionshapes.files import DrawnSet


def show_few(patch: pytest.MonkeyPatch, videos: int) -> None:
    """Makes every split of the embedded data sets so small.

    Args:
        patch: which undoes it.
        videos: the most of each split.
    """
    records = DrawnSet.records

    def fewer(self: DrawnSet, split: str, limit: int | None = None, folder: Path | None = None) -> Any:
        return records(self, split, min(limit or videos, videos), folder)

    patch.setattr(DrawnSet, "records", fewer)
