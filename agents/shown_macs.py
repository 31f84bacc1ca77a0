"""Operations of agents that are not shown pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.building import build_trunk
from ada3d_gym.networks.macs import count_macs
from ada3d_gym.observers import PixelObserver


def macs_of_shown(bandit: ClipBandit, choose: Callable[[Tensor], object], device: str) -> int:
    """Multiply-accumulates for one clip of a policy, and of the trunk where features were computed with one beforehand.

    Args:
        bandit: whose observer shows the clip.
        choose: the policy, of float32 observations (1, …) on the device.
        device: where it runs.
    """
    one = bandit.usable(np.array([0]))
    macs = count_macs(choose, torch.from_numpy(bandit.observer(one)).float().to(device))
    if not isinstance(bandit.observer, PixelObserver):
        trunk = build_trunk(bandit.num_frames, bandit.source.observation_size).eval()
        macs += count_macs(trunk.frames, torch.from_numpy(bandit.source.observations(one)))
    return macs
