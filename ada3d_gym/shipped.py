"""Weights that come with the package, for MotionShapes; `ada3d pretrain` makes them."""

from __future__ import annotations

from ada3d_gym.networks.checkpoints.weights import SHIPPED

CLASSIFIER = SHIPPED / "i3d_tiny-motionshapes.safetensors"
"""I3D, for clips of 8 and of 16 frames. Its centre taps are SlowOnly, which is I3D with the first three stages off."""

SELECTION = SHIPPED / "selection-motionshapes.safetensors"
"""The trunk of the selection network ("mobilenet_v2_tiny"), for clips of 8 frames."""

CLASSIFIER_BACKBONES = ("i3d_tiny", "slowonly_tiny")
