"""What policies cost beside the network that they choose masks for."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_trunk
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.observers import PixelObserver


def policy_macs(bandit: ClipBandit, compute: Callable[[Tensor], object], device: torch.device | str) -> int:
    """Multiply-accumulates of a policy for one clip, as the bandit shows it.

    Where that is not pixels, what it is shown was computed by a trunk beforehand, whose cost is counted too.
    """
    one = bandit.usable(np.array([0]))
    macs = count_macs(compute, torch.from_numpy(bandit.observer(one)).to(device))
    return macs if isinstance(bandit.observer, PixelObserver) else macs + backbone_macs(bandit)


def backbone_macs(bandit: ClipBandit) -> int:
    """Multiply-accumulates of a trunk's backbone for all frames of a clip."""
    return _backbone_macs(bandit.num_frames, bandit.source.observation_size)


@lru_cache
def _backbone_macs(num_frames: int, side: int) -> int:
    """Counted once: of agents that learn within a second, making a trunk to count took a twentieth of it."""
    with torch.random.fork_rng(devices=[]):  # its weights are drawn, and do not matter
        trunk = build_trunk(num_frames, side).eval()
    return count_macs(trunk.frames, torch.zeros(1, num_frames, 3, side, side, dtype=torch.uint8))
