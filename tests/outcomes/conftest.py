"""One small table of real answers a session: six test videos, all 1,024 masks of the tiny SlowOnly."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_bandit
from ada3d_gym.outcomes.table import OutcomeTable, load_table
from tests.outcomes.brute import brute_table

OPTIONS: dict[str, Any] = {"split": "test", "backbone": "slowonly_tiny", "videos": 6}


@pytest.fixture(scope="session")
def table_path(cache_folder: Path, session_folder: Path) -> Path:
    """The table's file, its parts beside it."""
    path = session_folder / "outcomes" / "small.safetensors"
    with FileLock(session_folder / "outcomes.lock"):
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            brute_table(build_bandit(**OPTIONS, views=1), "slowonly_tiny", "test").save(path)
    return path


@pytest.fixture
def table(table_path: Path) -> OutcomeTable:
    return load_table(table_path)


@pytest.fixture
def bare_path(table_path: Path, tmp_path: Path) -> Path:
    """The same table without its parts."""
    return Path(shutil.copy(table_path, tmp_path / "bare.safetensors"))


@pytest.fixture
def on_table(table_path: Path) -> Callable[..., ClipBandit]:
    """A bandit on the table; options as of `build_bandit`."""
    return lambda **options: build_bandit(**{**OPTIONS, "outcomes": table_path, **options})


@pytest.fixture
def on_network(cache_folder: Path) -> Callable[..., ClipBandit]:
    """The same bandit on the live network."""
    return lambda **options: build_bandit(**{**OPTIONS, "views": 1, **options})
