"""Whether the arrays of a file are a table's, so that nothing is looked up in what is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ada3d_gym.outcomes.description import Description


def problem_of(about: Description, found: Mapping[str, NDArray[Any]]) -> str:
    """What keeps a table from being used; "" where its arrays are what `OutcomeTable` says.

    Raises:
        KeyError, AttributeError, TypeError: for what is not even there.
    """
    count, masks = len(found["correct"]), 2 ** (about.num_frames + len(about.stage_names))
    close = len(found["close_mask"])
    expected: dict[str, tuple[Any, tuple[int, ...]]] = {
        "correct": (np.uint8, (count, -(-masks // 8))),
        "macs": (np.int64, (masks,)),
        "clip": (np.int64, (count,)),
        "label_start": (np.int64, (count + 1,)),
        "label": (np.int32, (len(found["label"]),)),
        "family": (np.uint8, (count,)),
        "video": (np.uint8, (about.videos, 16)),
        "close_start": (np.int64, (count + 1,)),
        "close_mask": (np.uint16, (close,)),
        "close_margin": (np.float16, (close,)),
        "optimum": (np.uint16, (len(about.optima), count)),
    }
    for name, (dtype, shape) in expected.items():
        if found[name].dtype != np.dtype(dtype) or found[name].shape != shape:
            return f"{name}: {found[name].dtype} of shape {found[name].shape}, expected {np.dtype(dtype)} of {shape}"
    for name, least, most in (
        ("label", 0, len(about.class_names) - 1),
        ("family", 0, len(about.families) - 1),
        ("clip", 0, about.videos * about.views - 1),
        ("macs", 0, None),
        ("optimum", 0, masks - 1),
    ):
        values = found[name]
        if values.size and (values.min() < least or (most is not None and values.max() > most)):
            return f"{name} has values outside {least} to {most}"
    for name, end in (("label_start", len(found["label"])), ("close_start", close)):
        if found[name][0] != 0 or found[name][-1] != end or (np.diff(found[name]) < 0).any():
            return f"{name} does not rise from 0 to {end}"
    if count and (np.diff(found["label_start"]) < 1).any():
        return "a clip has no label"
    return "" if (np.diff(found["clip"]) > 0).all() and found["macs"][-1] > 0 else "clips do not rise, or MACs are zero"
