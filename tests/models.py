"""Model folders without a training, for tests of what reads them."""

from __future__ import annotations

from pathlib import Path

from ada3d_gym.agents.registry import make_agent
from ada3d_gym.building import build_bandit
from ada3d_gym.experiments.model_folder import write_config
from ada3d_gym.networks.checkpoints.weights import save_weights
from ada3d_gym.prediction.config import CLASSIFIER


def constant_model(folder: Path, mask: str = "0101010100011") -> Path:
    """The shipped classifier of MotionShapes under one mask for all clips, as a run leaves it."""
    bandit = build_bandit(split="test", videos=1)
    folder.mkdir(parents=True)
    save_weights(bandit.classifier.network, folder / CLASSIFIER)
    write_config(make_agent("fixed", bandit, {"mask": mask}), "fixed", "i3d_tiny", [], folder)
    return folder
