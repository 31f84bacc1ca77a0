"""Means over seeds, with how sure they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

LEAST = 3  # values of an interval: of two, Student's t makes 12.7 standard errors of it


def interval(values: Sequence[float], digits: int | None = None) -> str:
    """Mean ± half a 95 % interval of the mean, by Student's t; "mean (least to largest)" of two values, one alone."""
    mean = float(np.mean(values))
    if digits is None:
        digits = 4 if abs(mean) < 1 else 2
    half = half_interval(values)
    if half is not None:
        return f"{mean:.{digits}f} ± {half:.{digits}f}"
    span = "" if len(values) < 2 else f" ({min(values):.{digits}f} to {max(values):.{digits}f})"
    return f"{mean:.{digits}f}{span}"


def half_interval(values: Sequence[float]) -> float | None:
    """Half a 95 % interval of the mean, by Student's t; None of fewer than `LEAST`."""
    if len(values) < LEAST:
        return None
    return float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
