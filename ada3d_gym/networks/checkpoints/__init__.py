"""Weights in files: this package's own, and other projects' checkpoints."""

from ada3d_gym.networks.checkpoints.fitting import CheckpointError
from ada3d_gym.networks.checkpoints.weights import load_weights, read_metadata, save_weights

__all__ = ["CheckpointError", "load_weights", "read_metadata", "save_weights"]
