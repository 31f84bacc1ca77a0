"""Files are written whole or not at all, with one clear error, and with the mode that the umask gives."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from ada3d_gym.agents.states import save_state
from ada3d_gym.errors import Ada3DError
from ada3d_gym.files import OutputError, replacing
from ada3d_gym.networks.checkpoints.weights import save_weights

WRITERS: dict[str, Callable[[Path], None]] = {
    "weights": lambda path: save_weights(nn.Linear(300, 300), path),
    "a state of one large tensor": lambda path: save_state(path, {"a": torch.zeros(90_000)}),
    "a state of many small tensors": lambda path: save_state(path, {"a": [torch.zeros(10) for _ in range(1000)]}),
    "text": lambda path: write_text(path, "x" * 360_000),
}


def write_text(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text)


@pytest.fixture
def small_disk():
    """A function that lets no file of this process grow beyond 100 kB, until the test ends."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_is_one_error_and_leaves_what_was_there(kind: str, tmp_path: Path, small_disk: Callable[[], None]):
    path = tmp_path / "file"
    path.write_text("before")
    small_disk()
    with pytest.raises(OutputError, match=rf"{path} cannot be written \(File too large\): free some space"):
        WRITERS[kind](path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", WRITERS)
def test_files_have_the_mode_that_the_umask_gives(kind: str, tmp_path: Path):
    before = os.umask(0o027)
    try:
        WRITERS[kind](tmp_path / "file")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("kind", WRITERS)
def test_a_place_that_cannot_be_is_named(kind: str, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=rf"{tmp_path}/file/below/it cannot be written"):
        WRITERS[kind](tmp_path / "file" / "below" / "it")
    with pytest.raises(OutputError, match=f"{tmp_path} cannot be written: it is a folder"):
        WRITERS[kind](tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_link_is_followed(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "file")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere" / "file").read_text() == "new"


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), ValueError("a fault"), OSError(errno.ENOENT, "no", "other")])
def test_what_else_goes_wrong_is_passed_on_and_leaves_nothing(fault: BaseException, tmp_path: Path):
    with pytest.raises(type(fault)) as caught, replacing(tmp_path / "file") as part:
        part.write_text("half")
        raise fault
    assert caught.value is fault
    assert not isinstance(caught.value, Ada3DError)
    assert not list(tmp_path.iterdir())
