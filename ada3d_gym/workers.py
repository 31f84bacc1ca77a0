"""How many threads decode in a process that nobody has told."""

from __future__ import annotations

import os

from ada3d_gym.errors import InputError

_PROCESSES = "LOCAL_WORLD_SIZE"  # on this machine, as torchrun says


def share_cores(processes: int) -> None:
    """From now on this process, and those that it starts, count on a part of the cores, with as many others like it."""
    os.environ[_PROCESSES] = str(processes * _processes())


def default_workers() -> int:
    """Cores that this process may use over the processes of its kind on the machine, at least 1.

    Cores are those of its affinity (`taskset`, SLURM), and no more than its control group's quota (containers)
    or LOKY_MAX_CPU_COUNT. `torchrun` says in LOCAL_WORLD_SIZE how many processes share them.

    Raises:
        InputError: where that is no positive integer.
    """
    from joblib import cpu_count  # takes 0.1 s to import, and comes with scikit-learn

    return max(1, int(cpu_count()) // _processes())


def _processes() -> int:
    given = os.environ.get(_PROCESSES, "1")
    if not given.isdecimal() or not int(given):
        raise InputError(f"{_PROCESSES}={given}: expected the number of processes on this machine, as torchrun sets")
    return int(given)
