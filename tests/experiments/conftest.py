"""The demo, run once for all tests of what it leaves; all commands frugally."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from filelock import FileLock

from ada3d_gym.experiments import demo
from tests.frugal import frugally


@pytest.fixture(scope="module", autouse=True)
def in_this_process_on_few_clips() -> Iterator[None]:
    with frugally():
        yield


@pytest.fixture(scope="session")
def quick_demo(session_folder: Path, cache_folder: Path) -> tuple[Path, str]:
    """The folder of a quick demo that nothing disturbed, in one process, and what it printed."""
    folder = session_folder / "demo" / "unbroken"
    printed = folder.with_name("printed.txt")
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not printed.exists():
            with frugally(), redirect_stdout(StringIO()) as said:
                demo.demo(quick=True, output=folder, json=Path(f"{folder}.json"))
            printed.write_text(said.getvalue())
    return folder, printed.read_text()
