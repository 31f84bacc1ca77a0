"""Claims hold where locks do not: several machines on one file system."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from ada3d_gym.experiments import claims
from ada3d_gym.experiments.claims import Claimed, claim
from ada3d_gym.experiments.folders import BusyFolder, claimed

HOLD = """
import sys, time
from pathlib import Path
from ada3d_gym.experiments.claims import claim
with claim(Path(sys.argv[1]), fatal=False):
    print("has it", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def lying(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are granted to everybody, as those of a mount with `nolock` are to other machines."""
    monkeypatch.setattr("fcntl.flock", lambda *anything: None)


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def refuse(number: int) -> None:
        def flock(*anything: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("fcntl.flock", flock)

    return refuse


def holder(path: Path) -> subprocess.Popen[str]:
    """A process that has a claim."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "has it\n"
    return process


def as_of_another_machine(path: Path) -> None:
    """What a claim looks like here that a process of another machine has made."""
    marker = path.with_suffix(".claim")
    text = marker.read_text()
    host = next(line for line in text.splitlines() if line.startswith("host="))
    marker.write_text(text.replace(host, "host=elsewhere"))


@pytest.mark.usefixtures("lying")
def test_a_claim_holds_where_locks_are_granted_to_everybody(tmp_path: Path):
    process = holder(tmp_path / "run")
    try:
        with pytest.raises(Claimed), claim(tmp_path / "run", fatal=True):
            pass
        with pytest.raises(BusyFolder, match="another process works in"), claimed(tmp_path, {}):
            pass
    finally:
        process.kill()
        process.communicate()
    with claim(tmp_path / "run", fatal=True):  # a process that was killed has nothing
        assert (tmp_path / "run.claim").exists()
    assert not (tmp_path / "run.claim").exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_claim_needs_no_locks(tmp_path: Path, refusing: Callable[[int], None], number: int):
    refusing(number)
    with claim(tmp_path / "run", fatal=False), pytest.raises(Claimed), claim(tmp_path / "run", fatal=False):
        pass
    with claim(tmp_path / "run", fatal=False):
        pass


@pytest.mark.usefixtures("lying")
def test_another_machine_is_waited_for_until_it_must_be_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(claims, "STALE", 0.6)
    monkeypatch.setattr(claims, "BEAT", 0.1)
    path = tmp_path / "run"
    lost = filelock.SoftFileLease(path.with_suffix(".claim"), lease_duration=0.6, heartbeat_interval=0.5)
    lost.acquire()
    as_of_another_machine(path)
    with pytest.raises(Claimed), claim(path, fatal=False):  # just renewed
        pass
    lost._stop_heartbeat()  # the machine is gone
    time.sleep(0.3)
    begun = time.monotonic()
    with claim(path, fatal=False):
        assert time.monotonic() - begun > 0.5
        assert "host=elsewhere" not in path.with_suffix(".claim").read_text()


def test_a_lock_that_holds_is_enough(tmp_path: Path):
    """A version of before knows of no other."""
    with filelock.FileLock(tmp_path / "run.lock"), pytest.raises(Claimed), claim(tmp_path / "run", fatal=False):
        pass
