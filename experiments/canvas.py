"""Figures of matplotlib without a screen.

matplotlib is imported with the first of them: most commands that can draw are asked for something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def subplots(
    rows: int = 1, columns: int = 1, *, figsize: tuple[float, float], squeeze: bool = True, **shared: Any
) -> tuple[Figure, Any]:
    """A figure that nothing else holds on to, laid out to fit, and its axes.

    Args:
        rows, columns: of axes.
        figsize: width and height in inches.
        squeeze: whether one pair of axes comes by itself, and one row as a flat array.
        **shared: further options of `matplotlib.figure.Figure.subplots`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=figsize, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=squeeze, **shared)
