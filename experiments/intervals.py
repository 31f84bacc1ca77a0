"""Means over seeds, with how sure they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats


def interval(values: Sequence[float], digits: int | None = None) -> str:
    """Mean ± half a 95 % interval of the mean, by Student's t; the mean alone of a single value."""
    mean = float(np.mean(values))
    if digits is None:
        digits = 4 if abs(mean) < 1 else 2
    half = half_interval(values)
    return f"{mean:.{digits}f}" if half is None else f"{mean:.{digits}f} ± {half:.{digits}f}"


def half_interval(values: Sequence[float]) -> float | None:
    """Half a 95 % interval of the mean, by Student's t; None of a single value."""
    if len(values) < 2:
        return None
    return float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
