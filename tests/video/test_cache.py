"""The clip cache holds whole items or none, whatever happens to the processes that fill it."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ada3d_gym.video import cache as cache_module
from ada3d_gym.video.cache import ClipCache
from tests.processes import finish, run, start

SHAPE = (3, 5)
ALL = np.arange(6)
KEY = {"video": "a"}


def item(index: int) -> np.ndarray:
    return np.arange(15, dtype=np.uint8).reshape(SHAPE) + np.uint8(index + 1)


FILL = """
import sys, pathlib
from ada3d_gym.video.cache import ClipCache
from tests.video.test_cache import KEY, SHAPE, item
cache = ClipCache(pathlib.Path(sys.argv[1]), 6, SHAPE, KEY)
for index in map(int, sys.argv[2:]):
    cache.put(index, item(index))
"""
DIE_IN_PUT = """
import os, pathlib, signal, sys
from ada3d_gym.video.cache import ClipCache
from tests.video.test_cache import KEY, SHAPE, item
cache = ClipCache(pathlib.Path(sys.argv[1]), 6, SHAPE, KEY)
lines = int(sys.argv[2])

def trace(frame, event, argument):
    global lines
    if event == "line" and frame.f_code is ClipCache.put.__code__:
        if not lines:
            os.kill(os.getpid(), signal.SIGKILL)
        lines -= 1
    return trace

sys.settrace(trace)
cache.put(2, item(2))
"""


def test_items_survive_reopening(tmp_path: Path):
    cache = ClipCache(tmp_path, 6, SHAPE, KEY)
    assert cache.missing(ALL).tolist() == [0, 1, 2, 3, 4, 5]
    cache.put(4, item(4))
    cache.put(1, item(1))
    again = ClipCache(tmp_path, 6, SHAPE, KEY)
    assert again.missing(ALL).tolist() == [0, 2, 3, 5]
    assert again.missing(np.array([5, 4, 5, 0])).tolist() == [0, 5]
    assert np.array_equal(again.get(np.array([4, 1, 4])), [item(4), item(1), item(4)])


def test_what_get_returns_is_a_copy(tmp_path: Path):
    cache = ClipCache(tmp_path, 6, SHAPE, KEY)
    cache.put(0, item(0))
    cache.get(np.array([0]))[:] = 0
    assert np.array_equal(cache.get(np.array([0]))[0], item(0))


def test_processes_share_it_while_open(tmp_path: Path):
    cache = ClipCache(tmp_path, 6, SHAPE, KEY)
    cache.put(0, item(0))
    run("-c", FILL, str(tmp_path), "0", "1", "2")
    assert cache.missing(ALL).tolist() == [3, 4, 5]
    assert np.array_equal(cache.get(np.array([0, 1, 2])), [item(0), item(1), item(2)])


def test_processes_that_start_at_once_do_not_undo_each_other(tmp_path: Path):
    for process in [start("-c", FILL, str(tmp_path), *given) for given in ("012", "234", "450")]:
        finish(process)
    cache = ClipCache(tmp_path, 6, SHAPE, KEY)
    assert not cache.missing(ALL).size
    assert np.array_equal(cache.get(ALL), [item(i) for i in ALL])


@pytest.mark.parametrize("lines", [0, 1])
def test_an_item_is_absent_until_it_is_whole(tmp_path: Path, lines: int):
    process = start("-c", DIE_IN_PUT, str(tmp_path), str(lines))
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    cache = ClipCache(tmp_path, 6, SHAPE, KEY)
    assert cache.missing(ALL).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("damage", ["zeros", "another item's bytes"])
def test_an_item_that_is_not_what_was_written_counts_as_absent(tmp_path: Path, damage: str):
    """As after a power cut: the mark that it is there reached the disk, and its bytes did not."""
    cache = ClipCache(tmp_path, 6, SHAPE, KEY)
    for index in range(4):
        cache.put(index, item(index))
    (data,) = tmp_path.glob("*.uint8")
    content = bytearray(data.read_bytes())
    content[15:30] = bytes(15) if damage == "zeros" else content[:15]
    data.write_bytes(content)
    again = ClipCache(tmp_path, 6, SHAPE, KEY)
    assert again.missing(np.arange(4)).tolist() == [1]
    assert np.array_equal(again.get(np.array([0, 2])), [item(0), item(2)])
    again.put(1, item(1))
    assert not again.missing(np.arange(4)).size
    assert np.array_equal(ClipCache(tmp_path, 6, SHAPE, KEY).get(np.arange(4)), [item(i) for i in range(4)])


FILL_A_DISK = """
import resource, sys, pathlib, numpy as np
from ada3d_gym.video.cache import ClipCache
from tests.video.test_cache import ALL, KEY, SHAPE, item
cache = ClipCache(pathlib.Path(sys.argv[1]), 6, SHAPE, KEY)
resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))  # the fourth item does not fit
for index in ALL.tolist():
    cache.put(index, item(index))
there = np.setdiff1d(ALL, cache.missing(ALL))
assert np.array_equal(cache.get(there), [item(index) for index in there])
print(there.tolist(), cache.writable)
other = ClipCache(pathlib.Path(sys.argv[1]), 600, SHAPE, KEY)
other.put(0, item(0))
print(other.missing(ALL).tolist())
"""


def test_a_disk_that_is_full_is_told_once_and_what_is_there_stays_usable(tmp_path: Path):
    process = start("-c", FILL_A_DISK, str(tmp_path))
    printed, told = process.communicate()
    assert process.returncode == 0, told
    assert printed.splitlines() == ["[0, 1, 2] False", "[0, 1, 2, 3, 4, 5]"]
    assert told.count("decoded clips cannot be cached (File too large)") == 2  # by each of two caches
    assert f"{tmp_path}: " in told and "free the 45 bytes" in told and "cache_bytes" in told and "ADA3D_CACHE" in told


def refused(*arguments: object, **options: object) -> None:
    raise PermissionError(errno.EACCES, "Permission denied")


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """As for a user who may not write there; permission bits would not stop root."""

    def forbid() -> None:
        real = Path.open
        monkeypatch.setattr(cache_module, "FileLock", refused)
        monkeypatch.setattr(Path, "mkdir", refused)
        monkeypatch.setattr(
            Path, "open", lambda path, mode="r", *a: real(path, mode, *a) if mode == "rb" else refused()
        )

    return forbid


def test_a_cache_that_cannot_be_written_is_read(
    tmp_path: Path, read_only: Callable[[], None], caplog: pytest.LogCaptureFixture
):
    cache = ClipCache(tmp_path, 6, SHAPE, KEY)
    for index in range(4):
        cache.put(index, item(index))
    read_only()
    again = ClipCache(tmp_path, 6, SHAPE, KEY)
    assert np.array_equal(again.get(np.array([3, 0])), [item(3), item(0)])
    assert again.missing(ALL).tolist() == [4, 5]
    assert not caplog.records  # nothing was missed yet
    for index in (4, 5):
        again.put(index, item(index))
    assert again.missing(ALL).tolist() == [4, 5]
    (record,) = caplog.records
    assert record.message.startswith(f"{tmp_path}: ") and "Permission denied" in record.message
    assert "ADA3D_CACHE" in record.message and "bytes" not in record.message


def test_without_a_cache_to_read_or_write_nothing_is_cached(
    tmp_path: Path, read_only: Callable[[], None], caplog: pytest.LogCaptureFixture
):
    read_only()
    cache = ClipCache(tmp_path / "absent", 6, SHAPE, KEY)
    cache.put(0, item(0))
    assert cache.missing(ALL).tolist() == ALL.tolist()
    assert cache.get(ALL).shape == (6, *SHAPE)
    (record,) = caplog.records
    assert "Permission denied" in record.message


@pytest.mark.parametrize("key", [{}, {"video": "b"}, {"video": "a", "stride": 2}])
def test_another_key_is_another_file(tmp_path: Path, key: dict[str, object]):
    ClipCache(tmp_path, 6, SHAPE, KEY).put(0, item(0))
    assert ClipCache(tmp_path, 6, SHAPE, key).missing(ALL).tolist() == [0, 1, 2, 3, 4, 5]
    assert ClipCache(tmp_path, 6, SHAPE, KEY).missing(ALL).tolist() == [1, 2, 3, 4, 5]


def test_another_shape_or_count_is_another_file(tmp_path: Path):
    ClipCache(tmp_path, 6, SHAPE, KEY).put(0, item(0))
    assert 0 in ClipCache(tmp_path, 6, (5, 3), KEY).missing(ALL)
    assert 0 in ClipCache(tmp_path, 7, SHAPE, KEY).missing(ALL)


@pytest.mark.parametrize("suffix", [".uint8", ".filled"])
def test_losing_either_of_its_files_empties_it(tmp_path: Path, suffix: str):
    ClipCache(tmp_path, 6, SHAPE, KEY).put(0, item(0))
    (lost,) = tmp_path.glob(f"*{suffix}")
    lost.unlink()
    assert 0 in ClipCache(tmp_path, 6, SHAPE, KEY).missing(ALL)
