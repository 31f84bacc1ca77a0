"""Threads that decode, where nobody says how many."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ada3d_gym.errors import InputError
from ada3d_gym.workers import default_workers


@pytest.mark.parametrize(("cores", "processes", "expected"), [(64, 1, 64), (64, 8, 8), (6, 4, 1), (2, 8, 1)])
def test_processes_share_the_cores(cores: int, processes: int, expected: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: cores)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    assert default_workers() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no processes to cores")
def test_a_process_that_is_bound_to_one_core_has_one():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    code += "from ada3d_gym.workers import default_workers; print(default_workers())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "1"


@pytest.mark.parametrize("given", ["0", "-1", "many", ""])
def test_a_number_of_processes_that_makes_no_sense_is_named(given: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", given)
    with pytest.raises(InputError, match="LOCAL_WORLD_SIZE"):
        default_workers()
