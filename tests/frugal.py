"""As little measuring and starting of processes as will do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ada3d_gym.experiments import demo, timing, workers

DEMO_VIDEOS = 28  # of each split: so few that clips of drawn masks still cost what they should on average


@contextmanager
def frugally() -> Iterator[None]:
    """Leaves out what takes time and shows nothing.

    Every training and judging ends with a measurement of milliseconds, whose value no test looks at: few clips are
    measured, once. Lists of runs and jobs start processes, which import everything anew: where a test does not say how
    many, this one does it all. What several processes do is shown where tests ask for them (`test_plan.py`,
    `test_jobs.py`).
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "CLIPS", 2)
        patch.setattr(timing, "ROUNDS", 1)
        patch.setattr(workers, "MOST", 1)
        patch.setattr(demo, "QUICK_VIDEOS", DEMO_VIDEOS)
        yield
