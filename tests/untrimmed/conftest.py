"""Looks at short real videos through the shipped networks, and at videos made of numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ada3d_gym.untrimmed.looks import ClipLooks
from tests.untrimmed.known import KnownLooks

VIDEOS, PLACES = 14, 4


@pytest.fixture(scope="session")
def selection_file(session_folder: Path, cache_folder: object) -> Path:
    """A selection network whose masks differ from clip to clip."""
    import torch

    from ada3d_gym.building import build_trunk
    from ada3d_gym.networks.selection import SelectionNetwork
    from ada3d_gym.networks.selection_file import save_selection
    from ada3d_gym.seeding import torch_seed

    with torch_seed(np.random.SeedSequence(0)):
        selection = SelectionNetwork(build_trunk(8, 32), 5, keep=0.6)
        torch.nn.init.normal_(selection.frame_head.weight, std=0.3)
        torch.nn.init.normal_(selection.stage_head.weight, std=0.3)
    path = session_folder / "untrimmed-selection.safetensors"
    save_selection(selection, path, ("conv1", "res2", "res3", "res4", "res5"), 32)
    return path


@pytest.fixture(scope="session")
def new_looks(selection_file: Path) -> Callable[..., ClipLooks]:
    from ada3d_gym.untrimmed.building import build_looks

    def build(**options: Any) -> ClipLooks:
        given = {"dataset": "motionshapes", "split": "test", "videos": VIDEOS, "places": PLACES}
        return build_looks(**{**given, "selection": selection_file, **options})

    return build


@pytest.fixture(scope="session")
def looks(new_looks: Callable[..., ClipLooks]) -> ClipLooks:
    return new_looks()


@pytest.fixture
def known() -> KnownLooks:
    return KnownLooks()
