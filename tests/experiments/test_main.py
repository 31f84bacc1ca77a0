"""The command `ada3d`, how commands say what they are called, and how they end when somebody loses patience."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import ada3d_gym
from ada3d_gym.errors import InputError
from ada3d_gym.experiments.benchmark.commands import COMMANDS as BENCHMARK
from ada3d_gym.experiments.main import COMMANDS, main
from ada3d_gym.experiments.paper.commands import COMMANDS as PAPER
from tests.processes import ADA3D, ROOT, run, start

Ada3D = Callable[..., None]
Printed = pytest.CaptureFixture[str]

GFLOPS = ("-m", "experiments.gflops")
PLACES = ("-m", "experiments.places")  # which needs PyTorch


@pytest.fixture
def ada3d(monkeypatch: pytest.MonkeyPatch) -> Ada3D:
    """Runs the command `ada3d` in this process."""

    def typed(*arguments: str) -> None:
        monkeypatch.setattr("sys.argv", ["ada3d", *arguments])
        monkeypatch.setattr("sys.path", sys.path.copy())
        main()

    return typed


@pytest.mark.parametrize("asked", [(), ("--help",), ("-h",), ("--debug",)], ids=str)
def test_all_commands_are_listed(asked: tuple[str, ...], ada3d: Ada3D, capsys: Printed):
    ada3d(*asked)
    listed = re.findall(r"^  (\S+)  +\w", capsys.readouterr().out, re.MULTILINE)
    assert listed == list(COMMANDS)
    assert {"demo", "train", "evaluate", "paper", "index-videos"} <= set(listed)


GROUPS = {"benchmark": BENCHMARK, "paper": PAPER}
TYPED = [name for name in COMMANDS if name not in GROUPS]
TYPED += [f"{group} {name}" for group, commands in GROUPS.items() for name in commands]


@pytest.mark.parametrize("name", TYPED)
def test_a_command_says_how_it_is_called(name: str, ada3d: Ada3D, capsys: Printed):
    with pytest.raises(SystemExit) as ended:
        ada3d(*name.split(), "--help")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: ada3d {name} ")


@pytest.mark.parametrize(
    "typed",
    [
        ("train", "Ada3D-None-v0", "--classifier-recompute"),
        ("paper", "cost", "Ada3D-None-v0", "--recompute"),
        ("paper", "table1", "--id", "Ada3D-None-v0", "--wait"),
    ],
    ids=" ".join,
)
def test_switches_take_no_value(typed: tuple[str, ...], ada3d: Ada3D):
    with pytest.raises(SystemExit, match="Ada3D-None-v0"):
        ada3d(*typed)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("typed", [(), ("--help",)])
def test_commands_of_commands_are_listed(typed: tuple[str, ...], group: str, ada3d: Ada3D, capsys: Printed):
    ada3d(group, *typed)
    out = capsys.readouterr().out
    assert out.startswith(f"usage: ada3d {group} COMMAND")
    assert re.findall(r"^  (\S+)  +\w", out, re.MULTILINE) == list(GROUPS[group])


def test_a_module_says_how_it_is_called():
    assert run("-m", "experiments.gflops", "--help").startswith("usage: python -m experiments.gflops ")


def test_the_version_is_told(ada3d: Ada3D, capsys: Printed):
    ada3d("--version")
    assert capsys.readouterr().out == f"ada3d-gym {ada3d_gym.__version__}\n"


@pytest.mark.parametrize("typed", ["trian", "index_videos", "--verison"])
def test_an_unknown_command_is_named(typed: str, ada3d: Ada3D):
    meant = {"trian": "train", "index_videos": "index-videos"}.get(typed)
    with pytest.raises(SystemExit, match=f"^error: unknown command '{typed}': expected one of demo, train") as ended:
        ada3d(typed)
    assert str(ended.value).endswith(f"did you mean {meant}?") == bool(meant)


def test_debug_may_come_before_the_command(ada3d: Ada3D):
    with pytest.raises(InputError, match="device 'gpu'"):
        ada3d("--debug", "train", "Ada3D-MotionShapes-v1", "--device", "gpu")


def test_a_module_in_the_working_folder_is_an_agent(
    ada3d: Ada3D, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
):
    (tmp_path / "in_this_folder.py").write_text("from ada3d_gym.agents.fixed import Upper as Mine\n")
    monkeypatch.chdir(tmp_path)
    ada3d("evaluate", "Ada3D-MotionShapes-v1", "--agent", "in_this_folder:Mine", "--videos", "14")
    assert "in_this_folder:Mine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "library"),
    [
        pytest.param((*ADA3D, "places"), "torch", id="ada3d-torch"),
        pytest.param(PLACES, "gymnasium", id="module-gymnasium"),
        pytest.param((*ADA3D, "places"), "gymnasium", id="ada3d-gymnasium", marks=pytest.mark.slow),
        pytest.param(PLACES, "torch", id="module-torch", marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_while_libraries_load_is_one_line(
    command: tuple[str, ...], library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / f"{library}.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    process = start(*command)
    assert process.communicate() == ("", "\ninterrupted\n")
    assert process.returncode != 0


def test_ctrl_c_is_the_programs_own_where_the_package_is_a_library():
    process = start("-c", "import ada3d_gym; raise KeyboardInterrupt")
    assert "Traceback" in process.communicate()[1]


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "tyro.py").write_text("raise ModuleNotFoundError(\"No module named 'tyro'\", name='tyro')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    assert "gflops" in run(*ADA3D)
    needed = "error: ada3d gflops needs tyro, which is not installed: pip install 'ada3d-gym[experiments]'\n"
    assert start(*ADA3D, "gflops").communicate() == ("", needed)


@pytest.mark.parametrize(
    ("command", "buffered"),
    [
        pytest.param(ADA3D, True, id="list-buffered"),
        pytest.param(GFLOPS, False, id="table-unbuffered"),
        pytest.param(ADA3D, False, id="list-unbuffered", marks=pytest.mark.slow),
        pytest.param(GFLOPS, True, id="table-buffered", marks=pytest.mark.slow),
        # printed as the list is
        pytest.param((*ADA3D, "gflops", "--help"), True, id="usage-buffered", marks=pytest.mark.slow),
        pytest.param((*ADA3D, "gflops", "--help"), False, id="usage-unbuffered", marks=pytest.mark.slow),
    ],
)
def test_a_reader_may_leave(command: tuple[str, ...], buffered: bool, monkeypatch: pytest.MonkeyPatch):
    """As in "ada3d gflops | head"."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "" if buffered else "1")
    reader, writer = os.pipe()
    os.close(reader)
    process = start(*command, stdout=writer)
    os.close(writer)
    assert process.communicate()[1] == ""
    assert process.returncode == 141
