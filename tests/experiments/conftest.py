"""The demo, run once for all tests of what it leaves; and as little measuring and starting as will do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from filelock import FileLock

from ada3d_gym.experiments import demo, timing, workers

DEMO_VIDEOS = 56  # of each split: so few that clips of drawn masks still cost what they should on average


@contextmanager
def frugally() -> Iterator[None]:
    """Leaves out what takes time and shows nothing.

    Every training and judging ends with a measurement of milliseconds, whose value no test looks at: few clips are
    measured. Lists of runs and jobs start processes, which import everything anew: where a test does not say how many,
    this one does it all. What several processes do is shown where tests ask for them (`test_plan.py`, `test_jobs.py`).
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "CLIPS", 8)
        patch.setattr(workers, "MOST", 1)
        patch.setattr(demo, "QUICK_VIDEOS", DEMO_VIDEOS)
        yield


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
