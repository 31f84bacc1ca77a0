"""Frames of PyAV as decord gives them: the same pixels, bit for bit, but for 10-bit videos at their own size."""

from __future__ import annotations

from typing import Any

import av.filter
import numpy as np
from numpy.typing import NDArray


class Scaler:
    """Pixels of decoded frames, RGB unless told otherwise. For one thread: it keeps FFmpeg's filters for one kind.

    decord scales with FFmpeg's `scale` filter, bilinear; PyAV's own scaling rounds otherwise. Which of the two reads a
    clip of a damaged file is a matter of chance (decord decodes ahead, and may or may not have met the damage), and
    must not show.

    Args:
        pixels: FFmpeg's name of their kind.
        how: its name of the way to scale.
    """

    def __init__(self, pixels: str = "rgb24", how: str = "bilinear") -> None:
        self._pixels, self._how = pixels, how
        self._kind: tuple[Any, ...] = ()
        self._graph: Any = None

    def __call__(self, frame: Any, width: int, height: int) -> NDArray[np.uint8]:
        """Pixels (height, width, 3)."""
        array: NDArray[np.uint8] = self.scaled(frame, width, height).to_ndarray()
        return array

    def scaled(self, frame: Any, width: int, height: int) -> Any:
        """The frame of this size, its pixels of the scaler's kind."""
        kind = frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range, width, height
        if kind != self._kind:
            self._kind, self._graph = kind, av.filter.Graph()
            self._graph.threads = 1  # to start others takes longer than to scale a small video
            source = self._graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
            )
            scale = self._graph.add("scale", f"{width}:{height}:flags={self._how}")
            pixels, sink = self._graph.add("format", f"pix_fmts={self._pixels}"), self._graph.add("buffersink")
            self._graph.link_nodes(source, scale, pixels, sink).configure()
        self._graph.push(frame)
        return self._graph.pull()
