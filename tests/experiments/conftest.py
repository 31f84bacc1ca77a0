"""The demo, run once for all tests of what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from tests.processes import run


def demo_command(folder: Path) -> list[str]:
    return ["-m", "experiments.demo", "--quick", "--output", str(folder), "--json", f"{folder}.json"]


@pytest.fixture(scope="session")
def quick_demo(session_folder: Path, cache_folder: Path) -> tuple[Path, str]:
    """The folder of a quick demo that nothing disturbed, and what it printed."""
    folder = session_folder / "demo" / "unbroken"
    printed = folder.with_name("printed.txt")
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not printed.exists():
            printed.write_text(run(*demo_command(folder)))
    return folder, printed.read_text()
