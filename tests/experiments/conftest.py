"""The demo, run once for all tests of what it leaves; and as little measuring of time as will do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from ada3d_gym.experiments import timing
from tests.processes import run


@pytest.fixture(scope="module", autouse=True)
def timed_on_few_clips() -> Iterator[None]:
    """Every training and judging ends with a measurement of milliseconds, whose value no test looks at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "CLIPS", 8)
        yield


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
