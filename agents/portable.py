"""Selection networks out of agents: from pixels to masks in one network, which a file can hold."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from ada3d_gym.bandit import ClipBandit
from ada3d_gym.networks.mobilenet import MobileNet
from ada3d_gym.networks.selection import SelectionNetwork
from ada3d_gym.observers import FeatureObserver

Portable = SelectionNetwork | NDArray[np.int8]
"""A selection network that is shown pixels, or one mask (T + K,) for all clips."""


def whole_selection(
    selection: SelectionNetwork, bandit: ClipBandit, backbone: MobileNet | None = None
) -> SelectionNetwork | None:
    """A copy that is shown pixels, on the CPU.

    Args:
        selection: the network; its backbone may have been dropped.
        bandit: whose observations it is shown.
        backbone: in the place of one that was dropped; that of the bandit's observer by default.

    Returns:
        None where nobody knows the backbone.
    """
    whole = copy.deepcopy(selection).cpu().eval()
    if selection.trunk.sees == "pixels":
        return whole
    if backbone is None and isinstance(bandit.observer, FeatureObserver):
        backbone = bandit.observer.trunk.backbone
    if backbone is None:
        return None
    whole.trunk.backbone, whole.trunk.sees = copy.deepcopy(backbone).cpu().eval(), "pixels"
    return whole
