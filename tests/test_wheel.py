"""What is installed from the wheel works by itself, outside of any clone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from ada3d_gym.agents.registry import agent_class
from ada3d_gym.experiments.evaluate import evaluate
from ada3d_gym.experiments.train import train
from ada3d_gym.video.motionshapes.files import MOTIONSHAPES
from tests.models import constant_model
from tests.processes import ROOT

SOURCES = ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff")
PACKAGE = ("ada3d_gym", "agents", "experiments")
ID = "Ada3D-MotionShapes-v1"

BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
IMPORT_ALL = """
import importlib, pkgutil, sys
others = ["moviepy", "onnx", "onnxruntime", "onnxscript", "pygame", "pytest", "pytorchvideo"]
sys.modules |= dict.fromkeys(others)  # of other extras than "experiments"
import ada3d_gym
for found in pkgutil.walk_packages(ada3d_gym.__path__, "ada3d_gym."):
    print(importlib.import_module(found.name).__file__)
"""
LIBRARY_ALONE = """
import runpy, sys
extras = ("stable_baselines3", "pydantic", "tyro", "yaml", "matplotlib", "scipy.stats", "pygame", "onnx")
sys.modules |= dict.fromkeys(extras)  # not to be imported
import gymnasium as gym
import ada3d_gym
from ada3d_gym.agents import Agent, NoOptions, Policy
assert Agent.Options is NoOptions
env = gym.make("Ada3D-MotionShapes-v1", split="test", videos=14)
clip, _ = env.reset(seed=0)
_, reward, terminated, _, info = env.step(env.action_space.sample())
assert clip.shape == (8, 3, 32, 32) and terminated and isinstance(reward, float) and info["frames"] <= 8
sys.argv = ["ada3d_gym", "--json"]
runpy.run_module("ada3d_gym", run_name="__main__")
"""


def finished(*command: str | Path, cwd: Path, paths: tuple[Path, ...] = ()) -> str:
    """What a process prints that sees nothing of the checkout, but the installations in `paths`."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if paths:
        environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))
    done = subprocess.run(command, cwd=cwd, env=environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pip(command: str, *arguments: str | Path, cwd: Path) -> None:
    """Runs pip without any network."""
    offline = () if command == "install" else ("--no-build-isolation",)
    finished(sys.executable, "-m", "pip", command, "--quiet", "--no-index", "--no-deps", *offline, *arguments, cwd=cwd)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source distribution of a clean copy of the checkout."""
    clone, built = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("built")
    for name in PACKAGE:
        shutil.copytree(ROOT / name, clone / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in SOURCES:
        shutil.copy(ROOT / name, clone)
    finished(sys.executable, "-c", BUILD, "build_sdist", built, cwd=clone)
    (sdist,) = built.glob("*.tar.gz")
    shutil.unpack_archive(sdist, built)
    finished(sys.executable, "-c", BUILD, "build_wheel", built, cwd=sdist.with_name(sdist.name.removesuffix(".tar.gz")))
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel is installed in."""
    folder = tmp_path_factory.mktemp("site")
    pip("install", "--target", folder, wheel, cwd=folder)
    return folder


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel: Path):
    with ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    folders = [(ROOT / "ada3d_gym", "ada3d_gym"), *((ROOT / name, f"ada3d_gym/{name}") for name in PACKAGE[1:])]
    expected = {
        f"{name}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for folder, name in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert held.keys() == expected.keys()
    assert [name for name in held if held[name] != expected[name]] == []


def test_all_modules_are_imported_from_where_they_are_installed(site: Path, tmp_path: Path):
    files = finished(sys.executable, "-c", IMPORT_ALL, cwd=tmp_path, paths=(site,)).splitlines()
    assert len(files) > 100
    assert {Path(file).is_relative_to(site) for file in files} == {True}


def test_the_library_alone_steps_and_tells_what_is_installed(site: Path, tmp_path: Path):
    told = json.loads(finished(sys.executable, "-c", LIBRARY_ALONE, cwd=tmp_path, paths=(site,)))
    assert told["system"]["installed in"] == str(site / "ada3d_gym")
    assert told["packages"]["gymnasium"] and told["shipped"]["weights"]


def test_the_command_lists_commands_and_predicts(site: Path, tmp_path: Path):
    def ada3d(*arguments: str | Path) -> str:
        return finished(site / "bin" / "ada3d", *arguments, cwd=tmp_path, paths=(site,))

    assert re.search(r"^  index-videos +\w+", ada3d("--help"), re.MULTILINE)
    constant_model(tmp_path / "model")
    ada3d("predict", "model", MOTIONSHAPES.records("test", 1)[0].path, "--json", "answers.json")
    (answer,) = json.loads((tmp_path / "answers.json").read_text())["videos"]
    assert {len(clip["frames"]) for clip in answer["clips"]} == {4}


@pytest.mark.slow  # what an installation of it leaves is found in any case: below
def test_another_package_announces_an_agent_as_the_docs_say(site: Path, tmp_path: Path):
    project, others = tmp_path / "project", tmp_path / "others"
    project.mkdir()
    shutil.copy(ROOT / "examples" / "own_agent.py", project)
    (project / "pyproject.toml").write_text(described())
    pip("wheel", "--wheel-dir", tmp_path, project, cwd=project)
    pip("install", "--target", others, *tmp_path.glob("*.whl"), cwd=project)

    def ada3d(*arguments: str) -> str:
        return finished(site / "bin" / "ada3d", *arguments, cwd=tmp_path, paths=(site, others))

    printed = ada3d("train", ID, "--agent", "budget", "--set", "epochs=1", "--videos", "14", "--output", "run")
    assert re.search(r"^budget ", printed, re.MULTILINE)
    judged = ada3d("evaluate", "run", "--split", "val")  # what is installed needs no --trust
    assert re.search(r"^budget, split val ", judged, re.MULTILINE)


def described() -> str:
    """The pyproject.toml of the docs."""
    (found,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "agents.md").read_text(), re.DOTALL)
    return str(found)


def test_an_announced_agent_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As what pip leaves of such a package says."""
    shutil.copy(ROOT / "examples" / "own_agent.py", tmp_path)
    about = tmp_path / "own_agent-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: own-agent\nVersion: 1.0\n")
    (points,) = re.findall(r'entry-points\."(.*?)"\]\n(.*)', described())
    (about / "entry_points.txt").write_text("[{}]\n{}\n".format(points[0], points[1].replace('"', "")))
    with pytest.raises(ValueError, match="unknown agent 'budget'"):
        agent_class("budget")
    monkeypatch.syspath_prepend(tmp_path)
    assert agent_class("budget").__name__ == "BudgetByMotion"
    train(ID, "budget", set=("epochs=1",), videos=14, output=tmp_path / "run")
    evaluate(str(tmp_path / "run"), split="val")  # what is installed needs no trust
    lines = [json.loads(line) for line in (tmp_path / "run" / "results.jsonl").read_text().splitlines()]
    assert [line["judged"]["split"] for line in lines] == ["test", "test", "val"]
    assert {line["run"]["agent"] for line in lines} == {"budget"}
