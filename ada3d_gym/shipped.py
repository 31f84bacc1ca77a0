"""Weights that come with the package, all for MotionShapes; `experiments.pretrain` makes them."""

from __future__ import annotations

from pathlib import Path

from ada3d_gym.networks.checkpoints import SHIPPED

CLASSIFIERS: dict[str, Path] = {
    backbone: SHIPPED / f"{backbone}-motionshapes.safetensors" for backbone in ("i3d_tiny", "slowonly_tiny")
}
"""By the network's name; each for clips of 8 and of 16 frames."""

SELECTION = SHIPPED / "selection-motionshapes.safetensors"
"""The trunk of the selection network ("mobilenet_v2_tiny"), for clips of 8 frames."""
