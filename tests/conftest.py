"""What all tests share: quiet OpenMP threads, one cache folder a session, and a small bandit on real videos."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

os.environ["OMP_WAIT_POLICY"] = "passive"  # read once, when torch is imported

if TYPE_CHECKING:
    from ada3d_gym.bandit import ClipBandit


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The package's cache, for this process and those it starts."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADA3D_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def bandit(cache_folder: Path) -> ClipBandit:
    """The shipped classifier on two test videos of each class; for tests that do not train it."""
    from ada3d_gym.building import build_bandit

    return build_bandit(split="test", videos=28)
