"""The environment ids that tests go through."""

from __future__ import annotations

import pytest

from ada3d_gym.registration import ENVIRONMENTS, SETS

SOME = (*(f"Ada3D-{name}-v0" for name in SETS), "Ada3D-MotionShapes-SlowOnly-16-v0")
"""One of each data set, and the other network with long clips: for behaviour that a sibling cannot change."""

EVERY = tuple(name if name in SOME else pytest.param(name, marks=pytest.mark.slow) for name in ENVIRONMENTS)
"""For what each id must hold by itself."""
