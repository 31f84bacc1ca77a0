"""Memory of this process."""

from __future__ import annotations

import sys
from pathlib import Path


def peak_memory() -> int:
    """Bytes that this process has had in memory at the most; 0 where the system does not say."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where the other number is the starting program's, too
        return 1024 * int(next(line.split()[1] for line in status.read_text().splitlines() if "VmHWM" in line))
    try:
        import resource  # which Windows lacks
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
