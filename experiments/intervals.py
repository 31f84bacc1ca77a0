"""Means over seeds, with how sure they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEAST = 3  # values of an interval: of two, Student's t makes 12.7 standard errors of it


def interval(values: Sequence[float], digits: int | None = None) -> str:
    """Mean ± half a 95 % interval of the mean, by Student's t; "mean (least to largest)" of two values."""
    mean = float(np.mean(values))
    if digits is None:
        digits = 4 if abs(mean) < 1 else 2
    half = half_interval(values)
    if half is not None:
        return f"{mean:.{digits}f} ± {half:.{digits}f}"
    least, largest = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    return f"{mean:.{digits}f}" if least == largest else f"{mean:.{digits}f} ({least} to {largest})"


def half_interval(values: Sequence[float]) -> float | None:
    """Half a 95 % interval of the mean, by Student's t; None of fewer than `LEAST`."""
    if len(values) < LEAST:
        return None
    from scipy import stats  # most of a second, that only tables of several seeds are to wait for

    return float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
