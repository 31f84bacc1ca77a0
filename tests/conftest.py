"""What all tests share: quiet OpenMP threads, one cache folder a session, and a small bandit on real videos."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from filelock import FileLock

os.environ["OMP_WAIT_POLICY"] = "passive"  # read once, when torch is imported

if TYPE_CHECKING:
    import gymnasium as gym

    from ada3d_gym.bandit import ClipBandit


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all processes that pytest-xdist shares the tests among."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def cache_folder(session_folder: Path) -> Iterator[Path]:
    """The package's cache, for these processes and those they start."""
    folder = session_folder / "cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADA3D_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def sets(cache_folder: Path, session_folder: Path) -> Path:
    """A folder with every data set in its official layout, indexed, and classifiers' weights for 4 classes."""
    from ada3d_gym.experiments.fixtures import WRITERS, fixtures
    from ada3d_gym.experiments.index_videos import index_videos
    from ada3d_gym.networks.checkpoints.weights import save_weights
    from ada3d_gym.networks.families import make_network
    from ada3d_gym.networks.spec import SPECS
    from ada3d_gym.seeding import torch_seed

    folder = session_folder / "sets"
    with FileLock(session_folder / "sets.lock"):
        if not folder.exists():
            fixtures(folder)
            for name in WRITERS:
                index_videos(name, root=folder / name)
            for name in ("i3d_tiny", "slowonly_tiny", "x3d_tiny"):
                with torch_seed(np.random.SeedSequence(0)):
                    save_weights(make_network(SPECS[name], 4), folder / f"{name}.safetensors")
    return folder


@pytest.fixture
def unregistered() -> Iterator[None]:
    """Leaves the registries as they were, for tests that register data sets of their own."""
    import gymnasium

    from ada3d_gym.registration import ENVIRONMENTS, UNTRIMMED
    from ada3d_gym.video_sets import VIDEO_SETS

    tables: list[dict[str, Any]] = [ENVIRONMENTS, UNTRIMMED, VIDEO_SETS, gymnasium.registry]
    before = [dict(table) for table in tables]
    yield
    for table, its in zip(tables, before, strict=True):
        table.clear()
        table.update(its)
    sys.modules.pop("tests.own_sets", None)  # so that its import registers again


@pytest.fixture(scope="session")
def make(sets: Path) -> Callable[..., gym.Env[Any, Any]]:
    """`gym.make` for every registered id, on the test videos of its fixture or the embedded ones."""
    import gymnasium

    from ada3d_gym.registration import ENVIRONMENTS

    def make_on_fixture(name: str, *, maker: Callable[..., Any] = gymnasium.make, **options: Any) -> Any:
        settings = ENVIRONMENTS[name]
        if settings["dataset"] != "motionshapes":
            tiny = settings["backbone"].partition("_")[0] + "_tiny"
            own = {"data_root": str(sets / settings["dataset"]), "checkpoint": str(sets / f"{tiny}.safetensors")}
            options = {**own, "backbone": tiny, "size": 32, "videos": 8, **options}
        return maker(name, **{"split": "test", "videos": 14, **options})

    return make_on_fixture


@pytest.fixture(scope="session")
def bandit(cache_folder: Path) -> ClipBandit:
    """The shipped classifier on two test videos of each class; for tests that do not train it."""
    from ada3d_gym.building import build_bandit

    return build_bandit(split="test", videos=28)
