"""Means over seeds, with how sure they are."""

from __future__ import annotations

import numpy as np
from scipy import stats


def interval(values: list[float], digits: int | None = None) -> str:
    """Mean ± half a 95 % interval of the mean, by Student's t; the mean alone of a single value."""
    mean = float(np.mean(values))
    if digits is None:
        digits = 4 if abs(mean) < 1 else 2
    if len(values) < 2:
        return f"{mean:.{digits}f}"
    half = float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
    return f"{mean:.{digits}f} ± {half:.{digits}f}"
