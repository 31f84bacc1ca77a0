"""What a page's reader has on disk: data sets, checkpoints, models; tiny here, and beside them what to type instead."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from ada3d_gym.experiments.export import export
from ada3d_gym.experiments.train import train
from ada3d_gym.networks.spec import I3D_R50
from ada3d_gym.registration import SETS
from ada3d_gym.shipped import UNTRIMMED_SELECTION
from ada3d_gym.video.motionshapes.files import MOTIONSHAPES
from tests.models import constant_model
from tests.networks.checkpoint_writers import slowfast_state, write_caffe2

Changes = dict[str, str]
"""Patterns, and what a test types in their place."""


def prepare(page: str, sets: Path) -> Changes:
    """Puts what the blocks of a page read into the working folder.

    Args:
        page: its path in the repository.
        sets: folder of tiny data sets, indexed.
    """
    if page.startswith("docs/environments/") and page.split("/")[-1] not in OF_PAGES:
        return _public_set({name.lower(): its for name, its in SETS.items()}[Path(page).stem], sets)
    return OF_PAGES.get(page.split("/")[-1], _nothing)(sets)


def _nothing(sets: Path) -> Changes:
    return {}


def _checkpoint(sets: Path) -> Changes:
    write_caffe2(Path("I3D_8x8_R50.pkl"), slowfast_state(I3D_R50.name))
    return {}


def _public_set(name: str, sets: Path) -> Changes:
    shutil.copy(sets / "i3d_tiny.safetensors", "I3D_8x8_R50.pkl")
    return {'"FOLDER"': repr(str(sets / name)), r'\.pkl"': '.pkl", "backbone": "i3d_tiny", "size": 32'}


def _untrimmed(sets: Path) -> Changes:
    Path("RUN").mkdir()
    shutil.copy(sets / "i3d_tiny.safetensors", "RUN/classifier.safetensors")
    shutil.copy(UNTRIMMED_SELECTION, "RUN/selection.safetensors")
    return {
        '"FOLDER"': repr(str(sets / "fcvid")),
        r'selection\.safetensors"': 'selection.safetensors", "backbone": "i3d_tiny", "size": 32',
        "places=10": "places=2",
    }


def _predicting(sets: Path) -> Changes:
    constant_model(Path("runs/shapes"))
    return {'"/tmp/clips/videos"': repr(str(MOTIONSHAPES.records("test", 1)[0].path))}


def _exporting(sets: Path) -> Changes:
    train("Ada3D-MotionShapes-v1", agent="fixed", videos=14, set=("mask=0101010100011",), output=Path("runs/mine"))
    export(Path("runs/mine"), Path("models/mine"))
    return {}


def _own_network(sets: Path) -> Changes:
    return {r"range\(8\)": "range(1)"}


OF_PAGES: dict[str, Callable[[Path], Changes]] = {
    "checkpoints.md": _checkpoint,
    "clip-selection.md": _untrimmed,
    "exporting.md": _exporting,
    "motionshapes.md": _nothing,
    "own-network.md": _own_network,
    "predicting.md": _predicting,
    "untrimmed.md": _untrimmed,
}
