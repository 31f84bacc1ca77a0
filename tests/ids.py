"""The environment ids that tests go through; all but a few of them in the slow tests only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from ada3d_gym.registration import ENVIRONMENTS, SETS, VERSIONS

ALWAYS = (
    "Ada3D-MotionShapes-v1",
    "Ada3D-MotionShapes-SlowOnly-16-v1",
    "Ada3D-FCVID-v0",
    "Ada3D-MiniKinetics-v0",
    "Ada3D-Kinetics-X3DS-v0",
)
"""The embedded videos with both networks and lengths, a set with several labels, one with a single one, and X3D."""


def _marked(names: Iterable[str]) -> tuple[Any, ...]:
    return tuple(name if name in ALWAYS else pytest.param(name, marks=pytest.mark.slow) for name in names)


SOME = _marked(
    [*(f"Ada3D-{name}-v{VERSIONS.get(its, 0)}" for name, its in SETS.items()), "Ada3D-MotionShapes-SlowOnly-16-v1"]
)
"""One of each data set, and the other network with long clips: for behaviour that a sibling cannot change."""

EVERY = _marked(ENVIRONMENTS)
"""For what each id must hold by itself."""
