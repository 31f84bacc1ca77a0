"""Modules under other names: those that they had earlier, and the top folders of a clone.

A module has one name, and is one object, by whichever it is imported: in a clone, `agents.agent` is
`ada3d_gym.agents.agent`, which is what it is called where the package is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import CodeType, ModuleType

_MOVED = {
    "env": "envs.env",
    "vector_env": "envs.vector_env",
    "infos": "envs.infos",
    "rendering": "envs.rendering",
    "wrappers": "envs.wrappers",
    "codings": "envs.codings",
    "features": "networks.features",
    "networks.checkpoint_files": "networks.checkpoints.files",
    "networks.checkpoint_names": "networks.checkpoints.names",
    "networks.checkpoint_states": "networks.checkpoints.states",
    "networks.file_kinds": "networks.checkpoints.kinds",
    "networks.fitting": "networks.checkpoints.fitting",
    "networks.loading": "networks.checkpoints.loading",
    "networks.converted": "networks.conversion.convert",
    "video.decoding": "video.decoders.video",
    "video.decord_reader": "video.decoders.decord_reader",
    "video.pyav_reader": "video.decoders.pyav_reader",
    "video.packets": "video.decoders.packets",
    "video.index": "video.indexing.index",
    "video.probe": "video.indexing.probe",
    "video.ends": "video.indexing.ends",
    "video.listing": "video.indexing.listing",
    "video.list_checks": "video.indexing.list_checks",
    "video.list_text": "video.indexing.list_text",
    "video.locating": "video.indexing.locating",
    "video.progress": "video.indexing.progress",
    "video.motionshapes_drawing": "video.motionshapes.drawing",
}
_TOP: dict[str, str] = {}


def _name(fullname: str) -> str | None:
    """What a module is called now, if `fullname` is another name of it."""
    if fullname.startswith("ada3d_gym."):
        moved = _MOVED.get(fullname.removeprefix("ada3d_gym."))
        return moved and f"ada3d_gym.{moved}"
    top, dot, rest = fullname.partition(".")
    return f"{_TOP[top]}.{rest}" if dot and top in _TOP else None


class _Alias(Loader):
    """Gives the module of another name."""

    def __init__(self, spec: ModuleSpec):
        self.spec = spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return import_module(self.spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # the import system has put the alias there

    def get_code(self, name: str) -> CodeType | None:
        """For `python -m`, which runs a module without importing it."""
        return self.spec.loader.get_code(self.spec.name) if isinstance(self.spec.loader, InspectLoader) else None


class _Aliases(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        name = _name(fullname)
        spec = name and find_spec(name)
        if not spec:
            return None
        alias = ModuleSpec(fullname, _Alias(spec), origin=spec.origin)
        alias.submodule_search_locations = spec.submodule_search_locations
        alias.has_location = spec.has_location
        return alias


def install() -> None:
    """Lets modules be imported under their other names."""
    if not any(isinstance(finder, _Aliases) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Aliases())


def alias(top: str, name: str) -> None:
    """Makes the package `top`, which is being imported, and all its modules those of `name`."""
    _TOP[top] = name
    sys.modules[top] = import_module(name)
