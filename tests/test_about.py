"""`python -m ada3d_gym` tells what a bug report needs, also where something does not work."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import ada3d_gym
from ada3d_gym.about import SECTIONS, about, cache, decoders, packages
from ada3d_gym.registration import ENVIRONMENTS, UNTRIMMED
from tests.processes import run

Printed = pytest.CaptureFixture[str]


def test_the_module_tells_of_all_sections(cache_folder: Path):
    told = json.loads(run("-m", "ada3d_gym", "--json"))
    assert list(told) == list(SECTIONS)
    assert told["system"]["ada3d-gym"] == ada3d_gym.__version__
    assert told["packages"]["torch"] == version("torch")
    assert told["decoders"]["PyAV"] == f"{version('av')}, works"
    assert told["cache"]["folder"] == str(cache_folder) and told["cache"]["writable"]
    assert told["shipped"]["environment ids"] == len(ENVIRONMENTS) + len(UNTRIMMED)
    assert "i3d_tiny-motionshapes" in told["shipped"]["weights"]
    assert told["PyTorch"]["threads"] >= 1


def test_ids_are_listed_without_loading_pytorch():
    code = "import sys; from ada3d_gym.about import about; about(ids=True); print('torch' in sys.modules)"
    assert run("-c", code).split() == [*ENVIRONMENTS, *UNTRIMMED, "False"]


def test_what_cannot_be_loaded_is_part_of_the_report(monkeypatch: pytest.MonkeyPatch, capsys: Printed):
    for name in ("decord_reader", "pyav_reader"):
        monkeypatch.setitem(sys.modules, f"ada3d_gym.video.decoders.{name}", None)
    assert "fails: ModuleNotFoundError" in decoders()["PyAV"]
    monkeypatch.setitem(sys.modules, "torch", None)
    about(json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["PyTorch"]["problem"].startswith("ModuleNotFoundError: import of torch halted")


def test_the_cache_is_measured_and_never_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed):
    folder = tmp_path / "cache"
    monkeypatch.setenv("ADA3D_CACHE", str(folder))
    assert cache() == {"folder": str(folder), "exists": False, "MiB": 0.0, "writable": True}
    assert not folder.exists()
    (folder / "clips").mkdir(parents=True)
    (folder / "clips" / "item").write_bytes(bytes(3 * 2**20))
    assert cache()["MiB"] == 3.0
    monkeypatch.setenv("ADA3D_CACHE", str(folder / "clips" / "item" / "below"))
    about()
    told = capsys.readouterr().out
    assert [line for line in told.splitlines() if not line.startswith("  ")] == list(SECTIONS)
    assert "problem  CacheError: the cache folder" in told


def test_a_home_folder_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ADA3D_CACHE", str(tmp_path / "there"))
    assert cache()["folder"] == str(Path("~") / "there")


def test_packages_of_extras_are_told_where_they_are_installed():
    told = packages()
    assert {"numpy", "av"} <= told.keys()
    assert "ray" not in told or told["ray"] == version("ray")
